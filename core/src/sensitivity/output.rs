//! One number of a run, by name.

use std::fmt;
use std::str::FromStr;

use crate::attack::Role;
use crate::fields::unknown_word;
use crate::report::{Brief, NodeReport};
use crate::scenario::ScenarioError;

/// A number that a [`Brief`] holds.
///
/// Its text names it, with role and id where it is a node's: `reward_gap`, `reward_mean:inference:ID`.
///
/// ```
/// use poq_core::sensitivity::Output;
/// let output: Output = "negative_share:evaluator:chrf".parse()?;
/// assert_eq!(output.to_string(), "negative_share:evaluator:chrf");
/// # Ok::<(), poq_core::scenario::ScenarioError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Mean reward of a node.
    RewardMean(NodeName),
    /// Share of a node's payments that are below 0.
    NegativeShare(NodeName),
    /// Mean reward of the best paid inference node less that of the second best.
    RewardGap,
    /// Pearson correlation of consensus with truth.
    PearsonConsensusTruth,
    /// Kendall's tau-b of an inference node's mean reward with its truth per millisecond.
    KendallRewardEfficiency,
    /// The largest mean gain of an attacker.
    AttackerGain,
}

/// A node of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeName {
    /// Its role: both roles may have a node of that id.
    pub role: Role,
    /// Instance id.
    pub id: String,
}

impl Output {
    /// How the texts of outputs begin; the first two go on with `:inference:ID` or `:evaluator:ID`.
    pub const NAMES: [&str; 6] = [
        "reward_mean",
        "negative_share",
        "reward_gap",
        "pearson_consensus_truth",
        "kendall_reward_efficiency",
        "attacker_gain",
    ];

    /// The number; none where the run does not define it, such as a correlation of what does not vary, or the mean
    /// reward of a node that was never paid.
    ///
    /// # Errors
    /// For a node that is not in the network, with the ids that are.
    pub fn of(&self, brief: &Brief) -> Result<Option<f64>, ScenarioError> {
        Ok(match self {
            Self::RewardMean(name) => name.find(brief)?.reward_mean,
            Self::NegativeShare(name) => name.find(brief)?.negative_share,
            Self::RewardGap => {
                let mut rewards: Vec<f64> = brief.inference_nodes.iter().filter_map(|node| node.reward_mean).collect();
                rewards.sort_unstable_by(|a, b| b.total_cmp(a));
                match rewards[..] {
                    [best, second, ..] => Some(best - second),
                    _ => None,
                }
            }
            Self::PearsonConsensusTruth => brief.pearson_consensus_truth,
            Self::KendallRewardEfficiency => brief.kendall_reward_efficiency,
            Self::AttackerGain => brief.attackers.iter().filter_map(|attacker| attacker.gain_mean).reduce(f64::max),
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::RewardMean(_) => "reward_mean",
            Self::NegativeShare(_) => "negative_share",
            Self::RewardGap => "reward_gap",
            Self::PearsonConsensusTruth => "pearson_consensus_truth",
            Self::KendallRewardEfficiency => "kendall_reward_efficiency",
            Self::AttackerGain => "attacker_gain",
        }
    }
}

impl NodeName {
    fn find<'a>(&self, brief: &'a Brief) -> Result<&'a NodeReport, ScenarioError> {
        let nodes = match self.role {
            Role::Inference => &brief.inference_nodes,
            Role::Evaluator => &brief.evaluator_nodes,
        };
        nodes.iter().find(|node| node.id == self.id).ok_or_else(|| {
            let allowed: Vec<&str> = nodes.iter().map(|node| node.id.as_str()).collect();
            let message = format!(
                "`{}` is no {} node of this network; allowed: {}",
                self.id,
                role(self.role),
                allowed.join(", ")
            );
            ScenarioError::new("output", message)
        })
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Inference => "inference",
        Role::Evaluator => "evaluator",
    }
}

impl fmt::Display for Output {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.name())?;
        match self {
            Self::RewardMean(node) | Self::NegativeShare(node) => write!(to, ":{}:{}", role(node.role), node.id),
            _ => Ok(()),
        }
    }
}

impl FromStr for Output {
    type Err = ScenarioError;

    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        let fault = |message| ScenarioError::new("output", message);
        let (name, node) = text.split_once(':').map_or((text, None), |(name, node)| (name, Some(node)));
        let of_node = |output: fn(NodeName) -> Self| {
            let (role, id) = node.and_then(|node| node.split_once(':')).unwrap_or_default();
            let role = match role {
                "inference" => Role::Inference,
                "evaluator" => Role::Evaluator,
                _ => {
                    let message = format!("`{text}` names no node; allowed: {name}:inference:ID, {name}:evaluator:ID");
                    return Err(fault(message));
                }
            };
            Ok(output(NodeName { role, id: id.to_owned() }))
        };
        let whole = |output| match node {
            None => Ok(output),
            Some(node) => Err(fault(format!("`{node}`: {name} is of no single node; allowed: {name}"))),
        };
        match name {
            "reward_mean" => of_node(Self::RewardMean),
            "negative_share" => of_node(Self::NegativeShare),
            "reward_gap" => whole(Self::RewardGap),
            "pearson_consensus_truth" => whole(Self::PearsonConsensusTruth),
            "kendall_reward_efficiency" => whole(Self::KendallRewardEfficiency),
            "attacker_gain" => whole(Self::AttackerGain),
            other => Err(fault(unknown_word("output", other, &Self::NAMES))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, reward_mean: Option<f64>) -> NodeReport {
        NodeReport {
            id: id.to_owned(),
            model: id.to_owned(),
            instances: 1,
            attack: None,
            rounds: 4,
            reward_mean,
            reward_sd: None,
            ci95_monte_carlo: None,
            ci95_prompts: None,
            negative_share: Some(0.25),
            quality_mean: None,
            cost: 0.0,
            latency_ms_mean: 1.0,
            weight: None,
            stake: None,
            slashed_mean: None,
            profit_mean: None,
            break_even_reward: None,
        }
    }

    #[test]
    fn outputs_are_read_from_their_text_and_from_a_brief() {
        let brief = Brief {
            leader: None,
            rounds: 9,
            inference_nodes: vec![node("a", Some(0.5)), node("b:1", Some(0.75)), node("c", None)],
            evaluator_nodes: vec![node("a", Some(-1.0))],
            attackers: Vec::new(),
            pearson_consensus_truth: Some(0.3),
            kendall_reward_efficiency: None,
            inference_groups: Vec::new(),
            evaluator_groups: Vec::new(),
            attacker_groups: Vec::new(),
        };
        for (text, value) in [
            ("reward_mean:inference:b:1", Some(0.75)),
            ("reward_mean:evaluator:a", Some(-1.0)),
            ("reward_mean:inference:c", None),
            ("negative_share:inference:a", Some(0.25)),
            ("reward_gap", Some(0.25)),
            ("pearson_consensus_truth", Some(0.3)),
            ("kendall_reward_efficiency", None),
            ("attacker_gain", None),
        ] {
            let output: Output = text.parse().expect(text);
            assert_eq!(output.to_string(), text);
            assert_eq!(output.of(&brief), Ok(value), "{text}");
        }
        let unknown: Output = "reward_mean:evaluator:c".parse().expect("well formed");
        let error = unknown.of(&brief).expect_err("no such node").to_string();
        assert!(error.contains("`output`: `c` is no evaluator node of this network; allowed: a"), "{error}");
        for text in ["reward", "reward_mean", "reward_mean:node:a", "reward_gap:inference:a"] {
            let error = text.parse::<Output>().expect_err(text);
            assert!(error.path == "output" && error.message.contains("allowed:"), "{error}");
        }
    }
}
