//! Published figures beside those of a report.

use serde::{Deserialize, Serialize};

use super::profile::{
    EVALUATORS, GEMMA, GEMMA_PER_QWEN, LLAMA, LLAMA_PER_QWEN, LLAMA_REWARD, NODES, PHI, PHI_REWARD, POST, QWEN, STS,
    STS_JUDGE, STS_TRUTH,
};
use super::readings::{NEAR_ZERO, RATIO_TOLERANCE, TOLERANCE};
use super::rewards::{DRAWS_AND_PROMPTS, half_width};
use super::sizes::Efficiencies;
use super::verdict::{Basis, Estimated, PROMPTS, Part, Reading, Verdict, told_at_once};
use crate::dataset::Dataset;
use crate::report::{EvaluatorAudit, NodeReport};
use crate::stats::Interval;
use crate::{Report, Scenario};

const SOLVED: &str = "The data were solved for so that it comes out.";
const CHOSEN: &str = "Nothing more is published; the value was chosen.";
const BEST: &str = "Gemma-2-2B, which is as efficient, was given lower scores so that Llama-3.2-3B is the best.";

/// A published figure and what a report has in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is a figure of.
    pub name: String,
    /// Who published it.
    pub source: String,
    /// As it was published.
    pub wording: String,
    /// The published number, where there is one.
    pub published: Option<f64>,
    /// How it is read here, in words (assumed).
    pub reading: String,
    /// The smallest measured value that agrees with that reading.
    pub at_least: Option<f64>,
    /// The largest.
    pub at_most: Option<f64>,
    /// The report's value; none where it has not the nodes, or they never took part.
    pub measured: Option<f64>,
    /// The value's 95% interval.
    pub ci95: Option<Interval>,
    /// What that interval is for.
    pub interval_of: String,
    /// The value's 95% interval for the luck of the draws alone, for a mean reward.
    pub ci95_monte_carlo: Option<Interval>,
    /// Measured less published.
    pub difference: Option<f64>,
    /// Whether the measured value is within the bounds, wherever it comes from.
    pub within: Option<bool>,
    /// Whether the data were made so that it comes out.
    pub basis: Basis,
    /// What the measured value shows: nothing, where the data were made so. Those of all free figures are told at once
    /// (Holm).
    pub verdict: Verdict,
    /// Why the verdict is no plain yes or no.
    pub why: Option<String>,
    /// Whether a free figure agrees; none where that cannot be told, and for one that the data were made for.
    pub agrees: Option<bool>,
}

impl Figure {
    /// What becomes of it, in a word or two.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match (self.basis, self.verdict, self.within) {
            (_, Verdict::NotApplicable, _) => "not measured",
            (Basis::Fitted, _, Some(false)) => "fitted, but missed",
            (Basis::Fitted, ..) => "fitted",
            (Basis::Chosen, _, Some(false)) => "chosen, but missed",
            (Basis::Chosen, ..) => "chosen",
            (Basis::Free, Verdict::Holds, _) => "agrees",
            (Basis::Free, Verdict::Fails, _) => "differs",
            (Basis::Free, ..) => "cannot tell",
        }
    }

    /// What `figures` come to, in a sentence: those that the data were made for count for nothing.
    #[must_use]
    pub fn summary(figures: &[Self]) -> String {
        let count = |is_it: &dyn Fn(&Self) -> bool| figures.iter().filter(|figure| is_it(figure)).count();
        let free = |verdict| count(&|figure| figure.basis == Basis::Free && figure.verdict == verdict);
        format!(
            "{} readings of published figures. Fitted or chosen, which shows nothing: {}. Free: {}, of which agree: \
             {}, differ: {}, cannot be told: {}. Not measured: {}.",
            figures.len(),
            count(&|figure| figure.basis != Basis::Free),
            count(&|figure| figure.basis == Basis::Free && figure.measured.is_some()),
            free(Verdict::Holds),
            free(Verdict::Fails),
            free(Verdict::CannotTell),
            free(Verdict::NotApplicable)
        )
    }
}

/// The published figures of arXiv 2512.16317 beside those of `report`, a run on `dataset`, which may be any, under any
/// scenario: nodes are found by the ids of [`super::dataset()`]. That one is fitted under its preset alone. Where the
/// report is of another dataset than `dataset`, nothing is measured.
#[must_use]
pub fn figures(dataset: &Dataset, report: &Report) -> Vec<Figure> {
    let source = Source { dataset, report, is_same: report.dataset.hash == dataset.hash };
    let data = source.made(super::is_fitted(dataset));
    let rewards = source.made(super::is_fitted(dataset) && source.is_as_fitted());
    let sts = source.audit(EVALUATORS[STS].id);
    let correlation = |of: Option<(Option<f64>, Option<Interval>)>| {
        of.and_then(|(value, ci95)| Some(Estimated { value: value?, ci95, degrees: None }))
    };
    let truth = correlation(sts.map(|sts| (sts.pearson_truth, sts.ci95_truth)));
    let judge = correlation(sts.map(|sts| (sts.pearson_judge, sts.ci95_judge)));
    let mut drafts = vec![
        Draft::about("STS-DistilRoBERTa: correlation with truth", STS_TRUTH, truth, PROMPTS).made(
            data,
            Basis::Fitted,
            SOLVED,
        ),
        Draft::about("STS-DistilRoBERTa: correlation with the judge", STS_JUDGE, judge, PROMPTS).made(
            data,
            Basis::Fitted,
            SOLVED,
        ),
    ];
    for evaluator in EVALUATORS.iter().filter(|evaluator| evaluator.kind == "cross_encoder") {
        let value = correlation(source.audit(evaluator.id).map(|audit| (audit.pearson_truth, audit.ci95_truth)));
        let reading = Reading::below(NEAR_ZERO, format!("at most {NEAR_ZERO}"));
        let name = format!("{}: correlation with truth", evaluator.name);
        drafts.push(Draft::new(name, "near zero or negative", reading, value, PROMPTS).made(
            data,
            Basis::Chosen,
            CHOSEN,
        ));
    }
    let lead = source.lead(LLAMA);
    drafts.extend([
        source.mean_reward(LLAMA, LLAMA_REWARD).made(rewards, Basis::Fitted, SOLVED),
        Draft::new(
            format!("{}: mean reward less that of the next best inference node", NODES[LLAMA].name),
            "the best",
            Reading::above(0.0, "above 0"),
            lead,
            DRAWS_AND_PROMPTS,
        )
        .made(rewards, Basis::Chosen, BEST),
        source.mean_reward(PHI, PHI_REWARD).made(rewards, Basis::Fitted, SOLVED),
        source.per_qwen(LLAMA, LLAMA_PER_QWEN).made(data, Basis::Fitted, SOLVED),
        source.per_qwen(GEMMA, GEMMA_PER_QWEN).made(data, Basis::Fitted, SOLVED),
    ]);
    // The words may mean no less, or the same.
    let over_best = source.evaluators_lead();
    for reading in [
        Reading::above(-TOLERANCE, format!("no less: at least -{TOLERANCE}")),
        Reading::between(-TOLERANCE, TOLERANCE, format!("the same: within {TOLERANCE} of 0")),
    ] {
        let name = "cheapest evaluator: mean reward less that of the best inference node".to_owned();
        let wording = "efficient evaluators earn as much as the best inference nodes";
        drafts.push(Draft::new(name, wording, reading, over_best, DRAWS_AND_PROMPTS));
    }
    told_at_once(drafts.iter_mut().map(|draft| &mut draft.part));
    drafts.into_iter().map(Draft::figure).collect()
}

/// A figure in the making: its part has the measured value and the bounds.
struct Draft {
    part: Part,
    wording: String,
    published: Option<f64>,
    ci95_monte_carlo: Option<Interval>,
}

impl Draft {
    fn new(name: String, wording: &str, reading: Reading, value: Option<Estimated>, interval_of: &str) -> Self {
        let part = match value {
            Some(value) => Part::measured(name, reading, value, interval_of),
            None => Part::not_applicable(name, reading, interval_of),
        };
        Self { part, wording: wording.to_owned(), published: None, ci95_monte_carlo: None }
    }

    /// Of a figure with two digits.
    fn about(name: &str, published: f64, value: Option<Estimated>, interval_of: &str) -> Self {
        let words = format!("within {TOLERANCE} of {published}");
        let reading = Reading::between(published - TOLERANCE, published + TOLERANCE, words);
        let draft = Self::new(name.to_owned(), &published.to_string(), reading, value, interval_of);
        Self { published: Some(published), ..draft }
    }

    /// Of data that were made so.
    fn made(self, is_made: bool, basis: Basis, why: &str) -> Self {
        Self { part: if is_made { self.part.made(basis, why) } else { self.part }, ..self }
    }

    fn figure(self) -> Figure {
        let Self { part, wording, published, ci95_monte_carlo } = self;
        let within = part.is_within();
        Figure {
            name: part.what,
            source: POST.to_owned(),
            wording,
            published,
            reading: part.reading,
            at_least: part.above,
            at_most: part.below,
            measured: part.value,
            ci95: part.ci95,
            interval_of: part.interval_of,
            ci95_monte_carlo,
            difference: part.value.zip(published).map(|(measured, published)| measured - published),
            within,
            basis: part.basis,
            verdict: part.verdict,
            why: part.why,
            agrees: match part.verdict {
                Verdict::Holds => Some(true),
                Verdict::Fails => Some(false),
                Verdict::CannotTell | Verdict::PutIn | Verdict::NotApplicable => None,
            },
        }
    }
}

/// What figures are taken from.
struct Source<'a> {
    dataset: &'a Dataset,
    report: &'a Report,
    /// Whether the report is of that dataset.
    is_same: bool,
}

impl Source<'_> {
    /// Whether rewards are under the scenario that the dataset was fitted under.
    fn is_as_fitted(&self) -> bool {
        let Scenario { seed, rounds, preset, .. } = &self.report.scenario;
        self.report.scenario == Scenario { seed: *seed, rounds: *rounds, preset: preset.clone(), ..Scenario::default() }
    }

    fn made(&self, is_made: bool) -> bool {
        self.is_same && is_made
    }

    fn audit(&self, id: &str) -> Option<&EvaluatorAudit> {
        self.report.evaluator_audit.iter().filter(|_| self.is_same).find(|audit| audit.id == id)
    }

    /// The first instance of that node of the paper.
    fn inference(&self, node: usize) -> Option<&NodeReport> {
        self.report.inference_nodes.iter().filter(|_| self.is_same).find(|report| report.model == NODES[node].id)
    }

    fn mean_reward(&self, node: usize, published: f64) -> Draft {
        let report = self.inference(node);
        let value = report.and_then(|report| {
            let value = report.reward_mean?;
            let ci95 = half_width(report).map(|half| [value - half, value + half]);
            Some(Estimated { value, ci95, degrees: None })
        });
        let name = format!("{}: mean reward", NODES[node].name);
        let draft = Draft::about(&name, published, value, DRAWS_AND_PROMPTS);
        Draft { ci95_monte_carlo: report.and_then(|report| report.ci95_monte_carlo), ..draft }
    }

    /// What that node earns more than the best of the others.
    fn lead(&self, node: usize) -> Option<Estimated> {
        let own = self.inference(node)?;
        difference(own, self.best(&own.model)?)
    }

    /// The inference node that earns most, of those that are not of the recorded node `but_for`.
    fn best(&self, but_for: &str) -> Option<&NodeReport> {
        let nodes = self.report.inference_nodes.iter().filter(|node| self.is_same && node.model != but_for);
        let paid = nodes.filter_map(|node| Some((node.reward_mean?, node)));
        paid.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, node)| node)
    }

    /// What the cheapest evaluator earns more than the best inference node.
    fn evaluators_lead(&self) -> Option<Estimated> {
        let cheapest = self.report.evaluator_nodes.iter().min_by(|a, b| a.cost.total_cmp(&b.cost))?;
        difference(cheapest, self.best("")?)
    }

    /// Quality per millisecond of that node of the paper over Qwen2-1.5B's, on the recorded answers.
    fn per_qwen(&self, node: usize, published: f64) -> Draft {
        let position = |node: usize| {
            let entries = &self.dataset.manifest.inference_nodes;
            entries.iter().position(|entry| self.is_same && entry.id == NODES[node].id)
        };
        let value = position(node).zip(position(QWEN)).and_then(|(node, qwen)| {
            let efficiencies = Efficiencies::new(self.dataset, self.report, &[node, qwen]);
            efficiencies.ratio(|of| (of[1] > 0.0).then(|| of[0] / of[1]))
        });
        let reading = Reading::between(
            published - RATIO_TOLERANCE,
            published + RATIO_TOLERANCE,
            format!("within {RATIO_TOLERANCE} of {published}"),
        );
        let name = format!("{}: quality per millisecond, times {}’s", NODES[node].name, NODES[QWEN].name);
        let draft = Draft::new(name, &format!("about {published}"), reading, value, PROMPTS);
        Draft { published: Some(published), ..draft }
    }
}

/// Of two nodes' mean rewards. The half widths of their intervals add up, which is wide enough however they hang
/// together.
fn difference(more: &NodeReport, less: &NodeReport) -> Option<Estimated> {
    let value = more.reward_mean? - less.reward_mean?;
    let half = half_width(more).zip(half_width(less)).map(|(more, less)| more + less);
    Some(Estimated { value, ci95: half.map(|half| [value - half, value + half]), degrees: None })
}
