//! The claims of arXiv 2512.16317 that a simulation can test, on any dataset.

use super::readings::{DIRECTION, FAR};
use super::rewards::{half_width, rewards};
use super::sizes::sizes;
use super::verdict::{Basis, Estimated, Finding, Found, PROMPTS, Part, Reading, findings_at_once};
use crate::dataset::{Dataset, EvaluatorEntry, LEARNT_QUALITY};
use crate::prompts::Prompts;
use crate::report::NodeReport;
use crate::stats;
use crate::{Report, Scenario};

/// Why the fitted dataset shows nothing of claim 1.
const MADE: &str = "The bi encoder’s correlation was solved for, as it is published, and those of the cross encoders \
                    were chosen, since they are published as near zero or negative.";
/// What limits whatever is said of the fitted dataset.
const SYNTHETIC: &str = "All of this is of the synthetic profiles, whose numbers were fitted or assumed.";

/// What `report`, a run on `dataset`, says of the paper's claims 1 to 3, in that order. Their parts are told at once,
/// so that they are corrected as a family (Holm). Where it is a run on another dataset, no claim applies.
#[must_use]
pub fn findings(dataset: &Dataset, report: &Report) -> [Finding; 3] {
    let is_same = report.dataset.hash == dataset.hash;
    let find = |claim: u32, statement: &str, test: fn(&Dataset, &Report) -> Found| {
        let mut found = if is_same {
            test(dataset, report)
        } else {
            let reading = Reading::above(DIRECTION, "");
            (vec![Part::not_applicable("The report is of another dataset.", reading, "")], Vec::new())
        };
        if super::is_fitted(dataset) && !found.1.is_empty() {
            found.1.push(SYNTHETIC.to_owned());
        }
        Finding::new(claim, statement, "the paper", found)
    };
    findings_at_once([
        find(1, "The STS bi encoder tracks truth far better than cross encoders.", encoders),
        find(2, "The largest models are also the most efficient in quality per latency.", sizes),
        find(
            3,
            "The cost-aware reward pays high-quality low-cost nodes and efficient evaluators more, slow low-quality \
             ones less.",
            rewards,
        ),
    ])
}

/// Claim 1: the correlation with truth of the best bi encoder, less that of the best cross encoder, over all recorded
/// answers. The paper's cross encoders never saw truth: those that learnt it are left out.
fn encoders(dataset: &Dataset, report: &Report) -> Found {
    let of_kind = |kind: &'static str| {
        let audits = report.evaluator_audit.iter().filter(move |audit| audit.kind == kind);
        let audits = audits.filter(|audit| trained_for(dataset, &audit.id) != Some(LEARNT_QUALITY));
        audits.filter_map(|audit| Some((audit.pearson_truth?, audit.id.as_str())))
    };
    let best = |kind| of_kind(kind).max_by(|a, b| a.0.total_cmp(&b.0));
    let reading = Reading::above(FAR, format!("far better: by more than {FAR} (assumed)"));
    let (Some(bi), Some(cross)) = (best("bi_encoder"), best("cross_encoder")) else {
        let why = "The dataset has not both a bi encoder and a cross encoder that did not learn truth, whose \
                   correlation with truth is defined.";
        return (vec![Part::not_applicable(why, reading, PROMPTS)], trackers(dataset, report));
    };
    let what = format!("correlation with truth of {}, {:.2}, less that of {}, {:.2}", bi.1, bi.0, cross.1, cross.0);
    let difference = difference(dataset, report, bi.0 - cross.0, [bi.1, cross.1]);
    let part = Part::measured(what, reading, difference, PROMPTS);
    let part = if super::is_fitted(dataset) { part.made(Basis::Fitted, MADE) } else { part };
    let mut notes = trackers(dataset, report);
    if let Some(objective) = trained_for(dataset, cross.1) {
        notes.push(format!(
            "{} was trained here, for {objective}; the paper took its cross encoders as others had trained them.",
            cross.1
        ));
    }
    if let (Some(of_bi), Some(of_cross)) = (against(dataset, bi.1), against(dataset, cross.1))
        && of_bi != of_cross
    {
        let like = of_kind("bi_encoder").filter(|(_, id)| against(dataset, id) == Some(of_cross));
        let like: Vec<String> = like
            .map(|(pearson, id)| format!("{id}, a bi encoder that reads the {of_cross} too, has {pearson:.2}"))
            .collect();
        let like = if like.is_empty() { String::new() } else { format!("; {}", like.join(", ")) };
        notes.push(format!("{} reads the {of_bi}, {} the {of_cross}{like}.", bi.1, cross.1));
    }
    (vec![part], notes)
}

fn against<'a>(dataset: &'a Dataset, id: &str) -> Option<&'a str> {
    entry(dataset, id)?.against()
}

fn trained_for<'a>(dataset: &'a Dataset, id: &str) -> Option<&'a str> {
    entry(dataset, id)?.trained_for()
}

fn entry<'a>(dataset: &'a Dataset, id: &str) -> Option<&'a EvaluatorEntry> {
    dataset.manifest.evaluators.iter().find(|entry| entry.id == id)
}

/// `value`, the correlation with truth of one evaluator less that of another, with its interval for the choice of
/// prompts.
fn difference(dataset: &Dataset, report: &Report, value: f64, ids: [&str; 2]) -> Estimated {
    let prompts = Prompts::new(dataset, &Vec::from_iter(0..dataset.tasks.len()));
    let sums = |id: &str| {
        let position = dataset.manifest.evaluators.iter().position(|entry| entry.id == id)?;
        Some(pair_sums(dataset, &report.scenario, position))
    };
    let interval = || {
        let (a, b) = (sums(ids[0])?, sums(ids[1])?);
        let differences = prompts
            .task_resamples(report.scenario.seed)
            .iter()
            .filter_map(|weights| Some(resampled_pearson(&a, weights)? - resampled_pearson(&b, weights)?))
            .collect::<Vec<_>>();
        prompts.interval(value, &differences)
    };
    Estimated { value, ci95: interval(), degrees: Some(prompts.degrees()) }
}

/// By task: sums over its answers of 1, score, truth, and their squares and product.
pub(super) fn pair_sums(dataset: &Dataset, scenario: &Scenario, evaluator: usize) -> Vec<[f64; 6]> {
    let entry = &dataset.manifest.evaluators[evaluator];
    let normalization = scenario.score_normalization.get(&entry.id).copied().unwrap_or(entry.normalization);
    let range = dataset.raw_range(evaluator);
    (0..dataset.tasks.len())
        .map(|task| {
            (0..dataset.inference_nodes()).fold([0.0; 6], |sums, node| {
                let score = normalization.apply(dataset.score(task, node, evaluator).raw, range);
                let truth = dataset.truth(task, node);
                add(sums, [1.0, score, truth, score * score, truth * truth, score * truth], 1.0)
            })
        })
        .collect()
}

fn add<const N: usize>(sums: [f64; N], more: [f64; N], weight: f64) -> [f64; N] {
    std::array::from_fn(|index| sums[index] + weight * more[index])
}

/// Pearson's correlation where each task counts `weights` times.
pub(super) fn resampled_pearson(by_task: &[[f64; 6]], weights: &[u32]) -> Option<f64> {
    let total =
        by_task.iter().zip(weights).fold([0.0; 6], |total, (&sums, &weight)| add(total, sums, f64::from(weight)));
    let [n, x, y, xx, yy, xy] = total;
    stats::correlation(xy - x * y / n, xx - x * x / n, yy - y * y / n)
}

/// The tension between tracking truth and being paid for closeness to a consensus: evaluators that are surely closer to
/// the consensus than the one whose correlation with truth is highest.
fn trackers(dataset: &Dataset, report: &Report) -> Vec<String> {
    let mut audits: Vec<(f64, &str)> =
        report.evaluator_audit.iter().filter_map(|audit| Some((audit.pearson_truth?, audit.id.as_str()))).collect();
    audits.sort_by(|a, b| b.0.total_cmp(&a.0));
    let Some(&(pearson, id)) = audits.first() else {
        return Vec::new();
    };
    let alpha = report.scenario.reward.alpha_evaluator;
    // In points; a reward is alpha times a tenth of it, less the cost.
    let closeness =
        |node: &NodeReport| Some((node.quality_mean?, half_width(node).filter(|_| alpha > 0.0)? * 10.0 / alpha));
    let Some(own) = report.evaluator_nodes.iter().find(|node| node.model == id).and_then(closeness) else {
        return Vec::new();
    };
    let is_closer = |node: &&NodeReport| {
        node.model != id && closeness(node).is_some_and(|(mean, half)| mean - own.0 > half + own.1)
    };
    let closer = report.evaluator_nodes.iter().filter(is_closer).count();
    if closer == 0 {
        return Vec::new();
    }
    let rival = audits.get(1).filter(|rival| {
        let lead = difference(dataset, report, pearson - rival.0, [id, rival.1]);
        lead.ci95.is_none_or(|[low, _]| low <= 0.0)
    });
    let rival = rival.map(|(pearson, id)| format!("; on other prompts it may be {id}, {pearson:.2} here"));
    let others = report.evaluator_nodes.iter().filter(|node| node.model != id).count();
    vec![format!(
        "{id} has the highest correlation with truth ({pearson:.2}{}), but {closer} of {others} other evaluators \
         {} surely closer to the consensus, which is what evaluators are paid for.",
        rival.unwrap_or_default(),
        if closer == 1 { "is" } else { "are" }
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resampled_correlation_is_that_of_the_repeated_answers() {
        let by_task: [&[(f64, f64)]; 3] =
            [&[(1.0, 2.0), (3.0, 1.0)], &[(4.0, 5.0), (2.0, 2.5)], &[(6.0, 4.0), (0.0, 3.0)]];
        let sums = by_task
            .map(|pairs| pairs.iter().fold([0.0; 6], |sums, &(x, y)| add(sums, [1.0, x, y, x * x, y * y, x * y], 1.0)));
        let weights = [2, 0, 1];
        let repeated = [by_task[0], by_task[0], by_task[2]].concat();
        let (x, y): (Vec<f64>, Vec<f64>) = repeated.into_iter().unzip();
        let (got, want) = (resampled_pearson(&sums, &weights), stats::pearson(&x, &y));
        assert!((got.expect("varies") - want.expect("varies")).abs() < 1e-12, "{got:?} {want:?}");
    }
}
