//! How well the mechanism did: consensus against truth, reward against efficiency.

use crate::dataset::Dataset;
use crate::simulation::Simulation;
use crate::stats::{self, Moments};

use super::products::Products;
use super::{MechanismReport, NodeReport, first_judge, sampled_truth};

pub(super) fn report(dataset: &Dataset, run: &Simulation, nodes: &[NodeReport]) -> MechanismReport {
    let Simulation { network, sample, .. } = run;
    let truth = against(run, |task, node| dataset.truth(task, node));
    let judge = first_judge(dataset).and_then(|judge| {
        let (normalization, range) = (dataset.manifest.evaluators[judge].normalization, dataset.raw_range(judge));
        let fit = against(run, |task, node| normalization.apply(dataset.score(task, node, judge).raw, range));
        fit.pearson
    });
    let (consensus, sampled_truth): (Vec<f64>, Vec<f64>) =
        sample.answers.iter().map(|answer| (answer.consensus, sampled_truth(dataset, network, answer))).unzip();
    MechanismReport {
        pearson_consensus_truth: truth.pearson,
        spearman_consensus_truth: stats::spearman(&consensus, &sampled_truth),
        kendall_reward_efficiency: kendall_reward_efficiency(run, nodes),
        pearson_consensus_judge: judge,
        unjudged_answers: run.unjudged,
        fit_consensus_truth: truth.line,
    }
}

pub(super) fn kendall_reward_efficiency(run: &Simulation, nodes: &[NodeReport]) -> Option<f64> {
    let (rewards, efficiency): (Vec<f64>, Vec<f64>) = nodes
        .iter()
        .zip(&run.network.inference)
        .filter_map(|(node, instance)| {
            Some((node.reward_mean?, node.quality_mean? / instance.true_latency_ms.max(f64::MIN_POSITIVE)))
        })
        .take(KENDALL_NODES)
        .unzip();
    stats::kendall(&rewards, &efficiency)
}

/// Kendall's tau takes quadratic time: in larger networks it stands on the first so many nodes.
const KENDALL_NODES: usize = 2000;

pub(super) struct Fit {
    pub pearson: Option<f64>,
    pub line: Option<[f64; 2]>,
}

/// Consensus against a value that is constant for each recorded answer, over all answers of the run but those whose
/// value is not a number.
pub(super) fn against(run: &Simulation, value: impl Fn(usize, usize) -> f64) -> Fit {
    let (mut n, mut c, mut cc, mut v, mut vv, mut cv) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    let mut add = |consensus: Moments, value: f64| {
        if value.is_nan() {
            return;
        }
        let count = consensus.count as f64;
        n += count;
        c += consensus.sum;
        cc += consensus.sum_of_squares;
        v += count * value;
        vv += count * value * value;
        cv += value * consensus.sum;
    };
    each_answer(run, |position, model, consensus| add(consensus, value(run.network.tasks[position], model)));
    if n < 2.0 {
        return Fit { pearson: None, line: None };
    }
    let (covariance, variance_c, variance_v) = (cv - c * v / n, cc - c * c / n, vv - v * v / n);
    // Relative to the sums, a variance as small as this is rounding noise.
    let varies = |variance: f64, squares: f64| variance > 1e-12 * squares.max(1.0);
    if !varies(variance_v, vv) {
        return Fit { pearson: None, line: None };
    }
    let slope = covariance / variance_v;
    let line = Some([c / n - slope * v / n, slope]);
    let pearson = if varies(variance_c, cc) { stats::correlation(covariance, variance_c, variance_v) } else { None };
    Fit { pearson, line }
}

/// By position of a task: consensus beside truth, over all answers of the run.
pub(super) fn consensus_beside_truth(dataset: &Dataset, run: &Simulation) -> Vec<Products> {
    let mut by_task = vec![Products::default(); run.network.tasks.len()];
    each_answer(run, |position, model, consensus| {
        let truth = dataset.truth(run.network.tasks[position], model);
        by_task[position].add(Products::beside(consensus, truth), 1.0);
    });
    by_task
}

/// Gives `visit` the moments of the consensus on every recorded answer, cohort by cohort of nodes that gave it: with
/// the position of the task and the recorded node whose output it is.
fn each_answer(run: &Simulation, mut visit: impl FnMut(usize, usize, Moments)) {
    let cohorts = run.inference.cohorts();
    let (cells, nodes) = run.inference.tasks();
    let cohort_of: Vec<usize> = nodes.iter().map(|&node| cohorts.of[node] as usize).collect();
    let mut own = vec![Moments::default(); cohorts.len()];
    for (position, cells) in cells.enumerate() {
        own.fill(Moments::default());
        for (&cohort, cell) in cohort_of.iter().zip(cells) {
            own[cohort].merge(cell.values);
        }
        for (own, &first) in own.iter_mut().zip(&cohorts.first) {
            let first = first as usize;
            if let Some((downgraded, to)) = run.dishonest.as_ref().and_then(|all| all.downgraded(position, first)) {
                visit(position, to, downgraded.values);
                own.remove(downgraded.values);
            }
            visit(position, run.network.inference[first].model, *own);
        }
    }
}
