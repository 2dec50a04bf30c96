//! One run of the study, under every rule at once.

use serde::{Deserialize, Serialize};

use super::{RULES, TRUST};
use crate::Scenario;
use crate::consensus::{Consensus, Rule};
use crate::dataset::Dataset;
use crate::reward::{evaluator_quality, inference_quality, reward};
use crate::simulation::{TwinAnswer, Twins};
use crate::stats::{self, Moments};

/// A weight this part of the largest, or more, is at the top.
const TOP: f64 = 0.99;

/// What the study keeps of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// In the order of [`RULES`].
    pub rules: [OfRule; RULES.len()],
    /// Weights of the honest evaluators at the end, under the trust-weighted mean.
    pub honest_weights: Weights,
    /// Those of the attackers.
    pub attackers_weights: Weights,
    /// Mean distance of the trust-weighted mean from the plain mean of the same scores, in points, over the later half
    /// of the rounds.
    pub trust_from_mean: f64,
}

/// Weights at the end of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// Of the evaluators whose mean deviation `|s - c| / 10` is below one half: the share of those whose weight is
    /// within 1% of `w_max`. None where there is no such evaluator.
    pub at_top: Option<f64>,
    /// Mean weight of all, as a share of `w_max`; none where nobody was drawn.
    pub mean: Option<f64>,
    /// Share of all whose mean deviation is below one half; none where nobody was drawn.
    pub below_half: Option<f64>,
}

/// What one rule makes of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OfRule {
    /// Mean of `|c - truth|` over answers, in points.
    pub truth_distance: f64,
    /// Mean of `c - truth`, in points.
    pub above_truth: f64,
    /// Pearson correlation of consensus with truth, over answers; none where one of them does not vary.
    pub pearson_truth: Option<f64>,
    /// Mean distance of the consensus from that of the same rule on the same draws where nobody attacks, in points.
    pub moved: f64,
    /// Mean reward of an evaluator, each time that it is paid.
    pub evaluator_reward_mean: f64,
    /// Standard deviation of an evaluator's own rewards: the root of the mean, over payments, of each one's variance.
    pub evaluator_reward_sd: f64,
    /// Standard deviation of the evaluators' mean rewards.
    pub evaluator_reward_sd_between: f64,
    /// Standard deviation over all payments to all evaluators.
    pub evaluator_reward_sd_overall: f64,
    /// Mean reward of an inference node, each time that it is paid.
    pub inference_reward_mean: f64,
}

/// Sums over answers under one rule.
#[derive(Clone, Debug)]
struct Sums {
    /// Under attack, and where nobody attacks.
    rules: [Rule; 2],
    truth_distance: f64,
    consensus: Moments,
    truth: Moments,
    products: f64,
    moved: f64,
    /// By evaluator.
    evaluator_rewards: Vec<Moments>,
    inference_rewards: Moments,
}

impl Sums {
    fn new(rule: Rule, evaluators: usize) -> Self {
        Self {
            rules: [rule.clone(), rule],
            truth_distance: 0.0,
            consensus: Moments::default(),
            truth: Moments::default(),
            products: 0.0,
            moved: 0.0,
            evaluator_rewards: vec![Moments::default(); evaluators],
            inference_rewards: Moments::default(),
        }
    }

    /// Adds an answer; its consensus.
    fn add(&mut self, answer: &TwinAnswer<'_>, truth: f64) -> f64 {
        let [rule, honest] = &mut self.rules;
        let consensus = rule.consensus(answer.drawn, answer.scores);
        self.moved += (consensus - honest.consensus(answer.drawn, answer.honest_scores)).abs();
        self.truth_distance += (consensus - truth).abs();
        self.consensus.add(consensus);
        self.truth.add(truth);
        self.products += consensus * truth;
        consensus
    }

    fn measured(&self) -> OfRule {
        let Self { consensus, truth, evaluator_rewards, inference_rewards, .. } = self;
        // A run has at least one round, and each round an answer.
        let n = (consensus.count as f64).max(1.0);
        let squares = |of: &Moments| of.sum_of_squares - of.sum * of.sum / n;
        let covariance = self.products - consensus.sum * truth.sum / n;
        let (mut payments, mut means, mut within) = (Moments::default(), Moments::default(), 0.0);
        for of in evaluator_rewards {
            payments.merge(*of);
            of.mean().into_iter().for_each(|mean| means.add(mean));
            within += of.sd().map_or(0.0, |sd| sd * sd * of.count as f64);
        }
        OfRule {
            truth_distance: self.truth_distance / n,
            above_truth: (consensus.sum - truth.sum) / n,
            pearson_truth: stats::correlation(covariance, squares(consensus), squares(truth)),
            moved: self.moved / n,
            evaluator_reward_mean: payments.mean().unwrap_or(0.0),
            evaluator_reward_sd: (within / (payments.count as f64).max(1.0)).sqrt(),
            evaluator_reward_sd_between: means.sd().unwrap_or(0.0),
            evaluator_reward_sd_overall: payments.sd().unwrap_or(0.0),
            inference_reward_mean: inference_rewards.mean().unwrap_or(0.0),
        }
    }
}

/// Plays both runs to their end. The rule of `scenario` itself does not matter.
pub(super) fn measure(
    dataset: &Dataset,
    scenario: &Scenario,
    rules: &[Consensus; RULES.len()],
    mut twins: Twins,
) -> Measured {
    let network = twins.network();
    let (inference, evaluators) = (network.inference.clone(), network.evaluators.clone());
    let weights = scenario.reward;
    let k = scenario.evaluators_per_round;
    let mut all = rules.map(|rule| Sums::new(Rule::new(rule, &evaluators, k), evaluators.len()));
    let mut deviations = vec![Moments::default(); evaluators.len()];
    let mut from_mean = Moments::default();
    twins.play(&mut |answer| {
        let truth = dataset.truth(answer.task, answer.model);
        for (rule, sums) in all.iter_mut().enumerate() {
            let consensus = sums.add(answer, truth);
            let quality = inference_quality(consensus);
            let cost = inference[answer.node].cost;
            sums.inference_rewards.add(reward(weights.alpha_inference, quality, weights.beta_inference, cost));
            for (&evaluator, &score) in answer.drawn.iter().zip(answer.scores) {
                let evaluator = evaluator as usize;
                let (quality, cost) = (evaluator_quality(score, consensus), evaluators[evaluator].cost);
                let paid = reward(weights.alpha_evaluator, quality, weights.beta_evaluator, cost);
                sums.evaluator_rewards[evaluator].add(paid);
                if rule == TRUST {
                    deviations[evaluator].add((score - consensus).abs() / 10.0);
                }
            }
            if rule == TRUST && 2 * answer.round >= scenario.rounds {
                let mean = answer.scores.iter().sum::<f64>() / answer.scores.len() as f64;
                from_mean.add((consensus - mean).abs());
            }
        }
    });
    let w_max = match rules[TRUST] {
        Consensus::TrustWeighted { w_max, .. } | Consensus::EmaTrust { w_max, .. } => w_max,
        _ => 1.0,
    };
    let weights = |attack: bool| {
        let (mut at_top, mut mean, mut below_half) = (Moments::default(), Moments::default(), Moments::default());
        for (evaluator, instance) in evaluators.iter().enumerate() {
            let Some(deviation) = deviations[evaluator].mean().filter(|_| instance.attack.is_some() == attack) else {
                continue;
            };
            let weight = all[TRUST].rules[0].weight(evaluator) / w_max;
            mean.add(weight);
            below_half.add(f64::from(u8::from(deviation < 0.5)));
            if deviation < 0.5 {
                at_top.add(f64::from(u8::from(weight >= TOP)));
            }
        }
        Weights { at_top: at_top.mean(), mean: mean.mean(), below_half: below_half.mean() }
    };
    Measured {
        honest_weights: weights(false),
        attackers_weights: weights(true),
        trust_from_mean: from_mean.mean().unwrap_or(0.0),
        rules: all.each_ref().map(Sums::measured),
    }
}
