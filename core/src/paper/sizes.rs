//! Claim 2 of arXiv 2512.16317: the largest models have the most quality for their latency.

use super::readings::PARITY;
use super::rewards::{earns_least, median};
use super::verdict::{Basis, Estimated, Found, PROMPTS, Part, Reading};
use crate::Report;
use crate::dataset::{Dataset, NodeEntry};
use crate::prompts::Prompts;

/// Why the fitted dataset shows nothing of the claim.
const MADE: &str = "Qwen2-1.5B’s latency was solved for, so that the published ratio comes out; Phi-3-mini’s and \
                    TinyLlama-1.1B’s were chosen.";

/// Mean quality per millisecond of the larger models over that of the smaller ones, on the recorded answers to the
/// tasks of the scenario; and the same without the one model on which that rests most. The size in the middle of an
/// odd number is neither.
pub(super) fn sizes(dataset: &Dataset, report: &Report) -> Found {
    let mut models: Vec<Model<'_>> = dataset
        .manifest
        .inference_nodes
        .iter()
        .enumerate()
        .filter_map(|(node, entry)| Some(Model { entry, node, billions: billions(entry)? }))
        .collect();
    models.sort_by(|a, b| a.billions.total_cmp(&b.billions));
    let reading = || Reading::above(PARITY, "more: a ratio above 1, of the larger half of the models and the smaller");
    let Some((smaller, larger)) = halves(&models) else {
        let why = "Fewer than two different sizes are known of the models: a size is read from a name such as `-1.5B`.";
        return (vec![Part::not_applicable(why, reading(), PROMPTS)], Vec::new());
    };
    let efficiencies = Efficiencies::new(dataset, report, &models.iter().map(|model| model.node).collect::<Vec<_>>());
    let ratio = |larger: &[usize]| {
        let (smaller, larger) = (smaller.clone(), larger.to_vec());
        efficiencies.ratio(move |of| {
            let mean = |group: &[usize]| group.iter().map(|&model| of[model]).sum::<f64>() / group.len() as f64;
            let below = mean(&smaller);
            (below > 0.0).then(|| mean(&larger) / below)
        })
    };
    let Some(whole) = ratio(&larger) else {
        let why = "The smaller models have no quality per latency: no answer is right, or no latency is above 0.";
        return (vec![Part::not_applicable(why, reading(), PROMPTS)], Vec::new());
    };
    let names =
        |group: &[usize]| group.iter().map(|&model| models[model].entry.id.as_str()).collect::<Vec<_>>().join(", ");
    let what = |larger: &[usize]| {
        format!(
            "quality per millisecond of the larger models ({}), times that of the smaller ({})",
            names(larger),
            names(&smaller)
        )
    };
    let made = |part: Part| if super::is_fitted(dataset) { part.made(Basis::Fitted, MADE) } else { part };
    let without = |left_out: usize| larger.iter().copied().filter(|&model| model != left_out).collect::<Vec<_>>();
    // Each of the larger models left out in turn: the lowest of these ratios.
    let weakest = larger
        .iter()
        .filter(|_| larger.len() > 1)
        .filter_map(|&left_out| Some((left_out, ratio(&without(left_out))?)))
        .min_by(|a, b| a.1.value.total_cmp(&b.1.value));
    let rest = match weakest {
        Some((left_out, value)) => {
            let words = format!("{}, without {}, on which it rests most", what(&without(left_out)), names(&[left_out]));
            made(Part::measured(words, reading(), value, PROMPTS))
        }
        None => {
            let why = format!("{} is the only one of the larger models: the claim rests on it alone.", names(&larger));
            Part::not_applicable(why, reading(), PROMPTS)
        }
    };
    let mut tensions = Vec::new();
    if let Some((left_out, value)) = weakest
        && whole.value > PARITY
        && value.value - PARITY < 0.5 * (whole.value - PARITY)
    {
        tensions.push(format!(
            "It rests on one model: without {} the ratio is {:.2} in place of {:.2}.",
            names(&[left_out]),
            value.value,
            whole.value
        ));
    }
    tensions.extend(largest(&models, &efficiencies, report));
    (vec![made(Part::measured(what(&larger), reading(), whole, PROMPTS)), rest], tensions)
}

/// Truth and latency of the recorded answers of some inference nodes to the tasks of a scenario.
pub(super) struct Efficiencies {
    /// By task: by node, truth and milliseconds.
    table: Vec<Vec<[f64; 2]>>,
    prompts: Prompts,
    resamples: Vec<Vec<u32>>,
}

impl Efficiencies {
    /// Of these nodes of `dataset`, by position.
    pub(super) fn new(dataset: &Dataset, report: &Report, nodes: &[usize]) -> Self {
        let is_drawn = |&task: &usize| report.scenario.task_kinds.contains(&dataset.tasks[task].kind);
        let tasks: Vec<usize> = (0..dataset.tasks.len()).filter(is_drawn).collect();
        let answer = |task: usize, node: usize| [dataset.truth(task, node), dataset.output(task, node).latency_ms];
        let of_task = |&task: &usize| nodes.iter().map(|&node| answer(task, node)).collect();
        let prompts = Prompts::new(dataset, &tasks);
        let resamples = prompts.task_resamples(report.scenario.seed);
        Self { table: tasks.iter().map(of_task).collect(), prompts, resamples }
    }

    /// By node: truth per millisecond where each task counts `weights` times.
    fn weighted(&self, weights: impl Iterator<Item = u32>) -> Vec<f64> {
        let nodes = self.table.first().map_or(0, Vec::len);
        let mut sums = vec![[0.0; 2]; nodes];
        for (row, weight) in self.table.iter().zip(weights) {
            for (sum, &[truth, ms]) in sums.iter_mut().zip(row) {
                sum[0] += f64::from(weight) * truth;
                sum[1] += f64::from(weight) * ms;
            }
        }
        sums.into_iter().map(|[truth, ms]| if ms > 0.0 { truth / ms } else { 0.0 }).collect()
    }

    /// What `ratio`, which is at least 0, makes of the nodes' truth per millisecond, with its interval for the choice
    /// of prompts: made of logarithms, since a ratio is as likely to be halved as to be doubled. None of a ratio of 0.
    pub(super) fn ratio(&self, ratio: impl Fn(&[f64]) -> Option<f64>) -> Option<Estimated> {
        let value = ratio(&self.weighted(self.table.iter().map(|_| 1)))?;
        let on = |weights: &Vec<u32>| ratio(&self.weighted(weights.iter().copied()));
        let resampled = self.resamples.iter().filter_map(on).filter(|&ratio| ratio > 0.0).map(libm::log);
        let interval = |value| self.prompts.interval(value, &resampled.collect::<Vec<_>>());
        let ci95 = (value > 0.0).then(|| interval(libm::log(value))).flatten().map(|ends| ends.map(libm::exp));
        Some(Estimated { value, ci95, degrees: Some(self.prompts.degrees()) })
    }
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

/// What the largest model does against the claim, where chance does not explain it.
fn largest(models: &[Model<'_>], efficiencies: &Efficiencies, report: &Report) -> Vec<String> {
    let Some(largest) = models.last().map(|model| &model.entry.id) else {
        return Vec::new();
    };
    let mut tensions = Vec::new();
    let share = efficiencies.ratio(|of| {
        let best = of.iter().copied().max_by(f64::total_cmp).filter(|&best| best > 0.0)?;
        Some(of.last()? / best)
    });
    if let Some(Estimated { value, ci95: Some([low, high]), .. }) = share
        && high < PARITY
    {
        tensions.push(format!(
            "{largest} is the largest, but has {value:.2} ({low:.2} to {high:.2} for other prompts) of the quality per \
             millisecond of the best."
        ));
    }
    let own = report.inference_nodes.iter().find(|node| node.model == *largest);
    if let Some((node, reward)) = own.and_then(|node| Some((node, node.reward_mean?)))
        && earns_least(node, &report.inference_nodes)
    {
        tensions.push(format!("{largest} is the largest, yet earns least: {reward:.2}."));
    }
    tensions
}

/// Billions of parameters, from the first word such as `1.1B` or `135M` in the node's name, id or model.
fn billions(entry: &NodeEntry) -> Option<f64> {
    let model = entry.model_in_words();
    let texts = [Some(&entry.name), Some(&entry.id), model.as_ref()];
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

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, model: Option<&str>) -> NodeEntry {
        NodeEntry {
            id: "n".to_owned(),
            name: name.to_owned(),
            kind: "decoder".to_owned(),
            model: model.map(str::to_owned),
            spec: None,
            in_default_network: true,
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
}
