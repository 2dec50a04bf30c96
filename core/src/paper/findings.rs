//! The claims of arXiv 2512.16317 that a simulation can test, on any dataset.

use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, NodeEntry};
use crate::report::{DatasetName, NodeReport, replicate_weights};
use crate::stats::{self, Interval};
use crate::{Report, Scenario};

/// A paper's claims, tested on one dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// The dataset.
    pub dataset: DatasetName,
    /// What becomes of each claim.
    pub findings: Vec<Finding>,
}

impl Claims {
    /// `findings` on `dataset`.
    #[must_use]
    pub fn new(dataset: &Dataset, findings: impl Into<Vec<Finding>>) -> Self {
        let dataset = DatasetName { id: dataset.manifest.id.clone(), hash: dataset.hash.clone() };
        Self { dataset, findings: findings.into() }
    }
}

/// What a report says of one of the paper's claims.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Number of the claim, from 1.
    pub claim: u32,
    /// The claim.
    pub statement: String,
    /// Who claims it.
    pub source: String,
    /// What was compared; the claim holds where every part that applies does.
    pub parts: Vec<Part>,
    /// Of all parts.
    pub verdict: Verdict,
    /// What speaks against the claim or limits it, in sentences.
    pub tensions: Vec<String>,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What was measured, with the nodes by id; where it does not apply, why.
    pub what: String,
    /// Its value.
    pub value: Option<f64>,
    /// Its 95% interval.
    pub ci95: Option<Interval>,
    /// What the interval is for.
    pub interval_of: String,
    /// The claim says that the value is above this.
    pub above: f64,
    /// Whether it is, by the interval.
    pub verdict: Verdict,
}

/// Whether something claimed was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval is on the claimed side.
    Holds,
    /// The interval has both sides.
    Open,
    /// The whole interval is on the other side.
    Fails,
    /// The dataset or the network has not what the claim is about.
    NotApplicable,
}

impl Verdict {
    /// In a sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds => "It holds.",
            Self::Open => "That is open.",
            Self::Fails => "It does not hold.",
            Self::NotApplicable => "It does not apply to this dataset.",
        }
    }
}

pub(super) const PROMPTS: &str = "the choice of prompts";
const DRAWS: &str = "the luck of the draws, at the widest";

impl Part {
    pub(super) fn measured(what: String, value: f64, ci95: Option<Interval>, interval_of: &str, above: f64) -> Self {
        let verdict = match ci95 {
            Some([low, _]) if low > above => Verdict::Holds,
            Some([_, high]) if high <= above => Verdict::Fails,
            _ => Verdict::Open,
        };
        Self { what, value: Some(value), ci95, interval_of: interval_of.to_owned(), above, verdict }
    }

    pub(super) fn not_applicable(why: impl Into<String>, interval_of: &str, above: f64) -> Self {
        Self {
            what: why.into(),
            value: None,
            ci95: None,
            interval_of: interval_of.to_owned(),
            above,
            verdict: Verdict::NotApplicable,
        }
    }
}

/// What `report`, a run on `dataset`, says of the paper's claims 1 to 3, in that order. Where it is a run on another
/// dataset, no claim applies.
#[must_use]
pub fn findings(dataset: &Dataset, report: &Report) -> [Finding; 3] {
    let is_same = report.dataset.hash == dataset.hash;
    let find = |above: f64, test: fn(&Dataset, &Report) -> Found| {
        if is_same {
            return test(dataset, report);
        }
        (vec![Part::not_applicable("The report is of another dataset.", "", above)], Vec::new())
    };
    [
        finding(1, "The STS bi encoder tracks truth far better than cross encoders.", find(0.0, encoders)),
        finding(2, "The largest models are also the most efficient in quality per latency.", find(1.0, sizes)),
        finding(
            3,
            "The cost-aware reward pays high-quality low-cost nodes and efficient evaluators more, slow low-quality \
             ones less.",
            find(0.0, rewards),
        ),
    ]
}

fn finding(claim: u32, statement: &str, (parts, tensions): Found) -> Finding {
    let (statement, source) = (statement.to_owned(), "the paper".to_owned());
    Finding { claim, statement, source, verdict: verdict(&parts), parts, tensions }
}

pub(super) fn verdict(parts: &[Part]) -> Verdict {
    let any = |verdict| parts.iter().any(|part| part.verdict == verdict);
    [Verdict::Fails, Verdict::Open, Verdict::Holds]
        .into_iter()
        .find(|&verdict| any(verdict))
        .unwrap_or(Verdict::NotApplicable)
}

pub(super) type Found = (Vec<Part>, Vec<String>);

/// Claim 1: the correlation with truth of the best bi encoder, less that of the best cross encoder, over all recorded
/// answers.
fn encoders(dataset: &Dataset, report: &Report) -> Found {
    let best = |kind: &str| {
        let audits = report.evaluator_audit.iter().filter(|audit| audit.kind == kind);
        let audit = audits
            .filter_map(|audit| Some((audit.pearson_truth?, audit.id.as_str())))
            .max_by(|a, b| a.0.total_cmp(&b.0))?;
        let position = dataset.manifest.evaluators.iter().position(|entry| entry.id == audit.1)?;
        Some((audit.0, audit.1, position))
    };
    let (Some(bi), Some(cross)) = (best("bi_encoder"), best("cross_encoder")) else {
        let why = "The dataset has not both a bi encoder and a cross encoder whose correlation with truth is defined.";
        return (vec![Part::not_applicable(why, PROMPTS, 0.0)], trackers(report));
    };
    let what = format!("correlation with truth of {}, {:.2}, less that of {}, {:.2}", bi.1, bi.0, cross.1, cross.0);
    let [of_bi, of_cross] = [bi.2, cross.2].map(|evaluator| pair_sums(dataset, &report.scenario, evaluator));
    let mut differences: Vec<f64> =
        replicate_weights(dataset, &Vec::from_iter(0..dataset.tasks.len()), report.scenario.seed)
            .iter()
            .filter_map(|weights| Some(resampled_pearson(&of_bi, weights)? - resampled_pearson(&of_cross, weights)?))
            .collect();
    let ci95 = (dataset.tasks.len() > 1).then(|| stats::central_95(&mut differences)).flatten();
    (vec![Part::measured(what, bi.0 - cross.0, ci95, PROMPTS, 0.0)], trackers(report))
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

/// The tension between tracking truth and being paid for closeness to a consensus.
fn trackers(report: &Report) -> Vec<String> {
    let mut audits: Vec<(f64, &str)> =
        report.evaluator_audit.iter().filter_map(|audit| Some((audit.pearson_truth?, audit.id.as_str()))).collect();
    audits.sort_by(|a, b| b.0.total_cmp(&a.0));
    let Some(&(pearson, id)) = audits.first() else {
        return Vec::new();
    };
    let closeness = |node: &NodeReport| node.quality_mean.unwrap_or(0.0);
    let Some(tracker) = report.evaluator_nodes.iter().find(|node| node.model == id) else {
        return Vec::new();
    };
    let closer = report.evaluator_nodes.iter().filter(|node| closeness(node) > closeness(tracker)).count();
    if closer == 0 {
        return Vec::new();
    }
    let of = report.evaluator_nodes.len();
    vec![format!(
        "{id} tracks truth best ({pearson:.2}), but is number {} of {of} in closeness to the consensus, which is what \
         evaluators are paid for.",
        closer + 1
    )]
}

/// Claim 2: mean quality per millisecond of the larger models over that of the smaller ones, on the recorded answers to
/// the tasks of the scenario. The size in the middle of an odd number is neither.
fn sizes(dataset: &Dataset, report: &Report) -> Found {
    let tasks: Vec<usize> = (0..dataset.tasks.len())
        .filter(|&task| report.scenario.task_kinds.contains(&dataset.tasks[task].kind))
        .collect();
    let mut models: Vec<Model> = dataset
        .manifest
        .inference_nodes
        .iter()
        .enumerate()
        .filter_map(|(node, entry)| Some(Model { entry, node, billions: billions(entry)? }))
        .collect();
    models.sort_by(|a, b| a.billions.total_cmp(&b.billions));
    let Some((smaller, larger)) = halves(&models) else {
        let why = "Fewer than two different sizes are known of the models: a size is read from a name such as `-1.5B`.";
        return (vec![Part::not_applicable(why, PROMPTS, 1.0)], Vec::new());
    };
    let table: Vec<Vec<[f64; 2]>> = tasks
        .iter()
        .map(|&task| {
            models
                .iter()
                .map(|model| [dataset.truth(task, model.node), dataset.output(task, model.node).latency_ms])
                .collect()
        })
        .collect();
    let efficiencies = |weights: &[u32]| -> Vec<f64> {
        let mut sums = vec![[0.0; 2]; models.len()];
        for (row, &weight) in table.iter().zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum = add(*sum, value, f64::from(weight));
            }
        }
        sums.into_iter().map(|[truth, ms]| if ms > 0.0 { truth / ms } else { 0.0 }).collect()
    };
    let ratio = |of: &[f64]| {
        let mean = |group: &[usize]| group.iter().map(|&model| of[model]).sum::<f64>() / group.len() as f64;
        let below = mean(&smaller);
        (below > 0.0).then(|| mean(&larger) / below)
    };
    let once = efficiencies(&vec![1; tasks.len()]);
    let Some(value) = ratio(&once) else {
        let why = "The smaller models have no quality per latency: no answer is right, or no latency is above 0.";
        return (vec![Part::not_applicable(why, PROMPTS, 1.0)], Vec::new());
    };
    let mut ratios: Vec<f64> = replicate_weights(dataset, &tasks, report.scenario.seed)
        .iter()
        .filter_map(|weights| ratio(&efficiencies(weights)))
        .collect();
    let ci95 = (tasks.len() > 1).then(|| stats::central_95(&mut ratios)).flatten();
    let names =
        |group: &[usize]| group.iter().map(|&model| models[model].entry.id.as_str()).collect::<Vec<_>>().join(", ");
    let what = format!(
        "quality per millisecond of the larger models ({}), times that of the smaller ({})",
        names(&larger),
        names(&smaller)
    );
    (vec![Part::measured(what, value, ci95, PROMPTS, 1.0)], largest(&models, &once, report))
}

/// A recorded inference node of known size.
struct Model<'a> {
    entry: &'a NodeEntry,
    node: usize,
    billions: f64,
}

/// Positions of the smaller and of the larger half of models that are sorted by size; none for fewer than two sizes.
fn halves(models: &[Model<'_>]) -> Option<(Vec<usize>, Vec<usize>)> {
    let median = median(&models.iter().map(|model| model.billions).collect::<Vec<_>>())?;
    let group = |is_in: &dyn Fn(f64) -> bool| -> Vec<usize> {
        (0..models.len()).filter(|&model| is_in(models[model].billions)).collect()
    };
    let (smaller, larger) = (group(&|billions| billions < median), group(&|billions| billions > median));
    match (smaller.is_empty(), larger.is_empty()) {
        (false, false) => Some((smaller, larger)),
        (true, true) => None,
        // More than half are of the median's size: they stand against those that are not.
        (true, false) => Some((group(&|billions| billions <= median), larger)),
        (false, true) => Some((smaller, group(&|billions| billions >= median))),
    }
}

/// What the largest model does against the claim.
fn largest(models: &[Model<'_>], efficiencies: &[f64], report: &Report) -> Vec<String> {
    let Some((largest, own)) = models.iter().zip(efficiencies).next_back() else {
        return Vec::new();
    };
    let mut tensions = Vec::new();
    let best = efficiencies.iter().copied().fold(0.0, f64::max);
    if *own < best {
        tensions.push(format!(
            "{} is the largest, but has {:.2} of the quality per millisecond of the best.",
            largest.entry.id,
            own / best
        ));
    }
    let rewards: Vec<f64> = report.inference_nodes.iter().filter_map(|node| node.reward_mean).collect();
    let lowest = rewards.iter().copied().fold(f64::INFINITY, f64::min);
    let earns_least = |node: &&NodeReport| node.model == largest.entry.id && node.reward_mean == Some(lowest);
    if rewards.len() > 1 && report.inference_nodes.iter().any(|node| earns_least(&node)) {
        tensions.push(format!("{} is the largest, yet earns least: {lowest:.2}.", largest.entry.id));
    }
    tensions
}

/// Billions of parameters, from the first word such as `1.1B` or `135M` in the node's name, id or model.
fn billions(entry: &NodeEntry) -> Option<f64> {
    let texts = [Some(&entry.name), Some(&entry.id), entry.model.as_ref()];
    texts
        .into_iter()
        .flatten()
        .find_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').find_map(size))
}

fn size(word: &str) -> Option<f64> {
    let (unit, scale) =
        [('b', 1.0), ('B', 1.0), ('m', 1e-3), ('M', 1e-3)].into_iter().find(|&(unit, _)| word.ends_with(unit))?;
    let number = word.strip_suffix(unit)?;
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value: f64 = number.parse().ok().filter(|_| is_plain)?;
    (value > 0.0).then_some(value * scale)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let high = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { high } else { 0.5 * (sorted[middle - 1] + high) })
}

/// Claim 3: the mean reward of the nodes that should earn more, less that of those that should earn less.
fn rewards(_: &Dataset, report: &Report) -> Found {
    let Report { inference_nodes, evaluator_nodes, .. } = report;
    let quality = |node: &NodeReport| node.quality_mean.unwrap_or(0.0);
    let middle = median(&inference_nodes.iter().map(quality).collect::<Vec<_>>()).unwrap_or(0.0);
    let cost = median_cost(inference_nodes);
    let of_inference = lead(
        Side::of("inference nodes of more quality and less cost than the median", inference_nodes, |node| {
            quality(node) > middle && node.cost < cost
        }),
        Side::of("inference nodes of less quality and more cost than the median", inference_nodes, |node| {
            quality(node) < middle && node.cost > cost
        }),
    );
    let cost = median_cost(evaluator_nodes);
    let of_evaluators = lead(
        Side::of("evaluators that cost less than the median", evaluator_nodes, |node| node.cost < cost),
        Side::of("evaluators that cost more than the median", evaluator_nodes, |node| node.cost > cost),
    );
    (vec![of_inference, of_evaluators], exceptions(inference_nodes, middle))
}

fn median_cost(nodes: &[NodeReport]) -> f64 {
    median(&nodes.iter().map(|node| node.cost).collect::<Vec<_>>()).unwrap_or(0.0)
}

/// Nodes that are compared with others.
struct Side<'a> {
    who: &'static str,
    nodes: Vec<&'a NodeReport>,
}

impl<'a> Side<'a> {
    /// Ids that are written out at most.
    const NAMED: usize = 5;

    fn of(who: &'static str, nodes: &'a [NodeReport], is_in: impl Fn(&NodeReport) -> bool) -> Self {
        Self { who, nodes: nodes.iter().filter(|node| is_in(node)).collect() }
    }

    fn title(&self) -> String {
        let ids: Vec<&str> = self.nodes.iter().take(Self::NAMED).map(|node| node.id.as_str()).collect();
        let more = self.nodes.len() - ids.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{} ({}{more})", self.who, ids.join(", "))
    }

    /// The mean of a value that every node has.
    fn mean(&self, value: impl Fn(&NodeReport) -> Option<f64>) -> Option<f64> {
        let values: Option<Vec<f64>> = self.nodes.iter().map(|node| value(node)).collect();
        values.filter(|values| !values.is_empty()).map(|values| values.iter().sum::<f64>() / values.len() as f64)
    }

    fn reward(&self) -> Option<f64> {
        self.mean(|node| node.reward_mean)
    }

    /// Half the width of an interval of [`Side::reward`] that is wide enough however the nodes' rewards hang together:
    /// the mean of the nodes' half widths.
    fn half_width(&self) -> Option<f64> {
        self.mean(|node| node.ci95_monte_carlo.map(|[low, high]| 0.5 * (high - low)))
    }
}

/// The mean of one side's mean rewards, less that of the other's. The half widths of their intervals add up, which
/// again is wide enough whether or not the sides are paid in the same rounds.
fn lead(more: Side<'_>, less: Side<'_>) -> Part {
    if let Some(side) = [&more, &less].into_iter().find(|side| side.nodes.is_empty()) {
        return Part::not_applicable(format!("The network has no {}.", side.who), DRAWS, 0.0);
    }
    let Some(value) = more.reward().zip(less.reward()).map(|(more, less)| more - less) else {
        return Part::not_applicable("Some of the nodes to compare were never paid.", DRAWS, 0.0);
    };
    let half = more.half_width().zip(less.half_width()).map(|(more, less)| more + less);
    let ci95 = half.map(|half| [value - half, value + half]);
    let what = format!("mean reward of {}, less that of {}", more.title(), less.title());
    Part::measured(what, value, ci95, DRAWS, 0.0)
}

/// The inference node that earns least, where its quality is not below the median.
fn exceptions(nodes: &[NodeReport], median_quality: f64) -> Vec<String> {
    let paid = nodes.iter().filter_map(|node| Some((node.reward_mean?, node.quality_mean?, node)));
    let least = paid.min_by(|a, b| a.0.total_cmp(&b.0));
    least
        .filter(|&(_, quality, _)| nodes.len() > 1 && quality >= median_quality)
        .map(|(reward, quality, node)| {
            format!(
                "{} earns least ({reward:.2}) although its quality ({quality:.1} of 10) is not below the median: its cost, \
                 {:.2}, decides.",
                node.id, node.cost
            )
        })
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, model: Option<&str>) -> NodeEntry {
        NodeEntry {
            id: "n".to_owned(),
            name: name.to_owned(),
            kind: "decoder".to_owned(),
            model: model.map(str::to_owned),
        }
    }

    #[test]
    fn sizes_are_read_from_names() {
        let of = |name, model| billions(&entry(name, model));
        assert_eq!(of("TinyLlama-1.1B", None), Some(1.1));
        assert_eq!(of("SmolLM2-135M, greedy", Some("of 7B")), Some(0.135));
        assert_eq!(of("Phi-3-mini", Some("a model of 3.8B parameters")), Some(3.8));
        assert_eq!(of("model.Q4_1 v2b2 0B inf NaNb 1e3b b .b 1.2.3b", Some("53aa51172d142c89b (sha256)")), None);
    }

    #[test]
    fn the_middle_size_is_on_neither_side() {
        let entries: Vec<NodeEntry> = (0..5).map(|_| entry("n", None)).collect();
        let of = |sizes: &[f64]| {
            let models: Vec<Model<'_>> =
                sizes.iter().zip(&entries).map(|(&billions, entry)| Model { entry, node: 0, billions }).collect();
            halves(&models)
        };
        assert_eq!(of(&[1.0, 2.0, 3.0, 4.0, 5.0]), Some((vec![0, 1], vec![3, 4])));
        assert_eq!(of(&[1.0, 2.0]), Some((vec![0], vec![1])));
        assert_eq!(of(&[1.0, 1.0, 1.0, 4.0]), Some((vec![0, 1, 2], vec![3])));
        assert_eq!(of(&[1.0, 4.0, 4.0]), Some((vec![0], vec![1, 2])));
        assert_eq!(of(&[2.0, 2.0, 2.0]), None);
        assert_eq!(of(&[]), None);
    }

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

    #[test]
    fn a_verdict_goes_by_the_interval() {
        use Verdict::{Fails, Holds, NotApplicable, Open};
        let of = |ci95| Part::measured(String::new(), 0.0, ci95, PROMPTS, 1.0).verdict;
        assert_eq!(of(Some([1.1, 2.0])), Holds);
        assert_eq!(of(Some([0.9, 2.0])), Open);
        assert_eq!(of(Some([0.5, 0.9])), Fails);
        assert_eq!(of(None), Open);
        let part = |verdict| Part { verdict, ..Part::not_applicable("", PROMPTS, 0.0) };
        assert_eq!(verdict(&[part(Holds), part(NotApplicable)]), Holds);
        assert_eq!(verdict(&[part(Holds), part(Open)]), Open);
        assert_eq!(verdict(&[part(Open), part(Fails), part(Holds)]), Fails);
        assert_eq!(verdict(&[part(NotApplicable)]), NotApplicable);
    }
}
