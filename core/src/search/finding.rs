//! What a search finds, and what it says.

use serde::Serialize;

use crate::attack::{Attack, Kind};
use crate::families::{self, holm, student_t_two_sided};
use crate::scenario::Scenario;
use crate::stats::{self, Interval};

/// Gains closer to 0 than this, as a share of the largest reward weight, are told as 0: half of the fourth decimal.
const SMALLEST: f64 = 5e-5;

/// Whose gain counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// The attackers' own, for each time that they are paid.
    Attackers,
    /// That of a cabal and its inference node together, in a round.
    OwnNode,
    /// That of an inference node that reports a false latency, for each time that it is paid. A contest of its own,
    /// since it pays wherever reported latency is believed, and the more the further the report is from what is true.
    FalseReport,
}

/// What a confirmed gain says, once the number of findings is corrected for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A gain beyond chance.
    Pays,
    /// A loss beyond chance: nothing that was tried pays.
    Costs,
    /// Neither: what there may be of a gain or a loss is rounding.
    Nothing,
    /// A gain or a loss could both be chance, or the attackers were hardly ever paid.
    NotShown,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Pays => "it pays beyond chance",
            Self::Costs => "it does not pay: it costs beyond chance",
            Self::Nothing => "it does not pay: it changes nothing beyond rounding",
            Self::NotShown => "cannot tell: gain or loss may be chance",
        }
    }
}

/// A gain over several fresh seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gain {
    /// The mean of the runs.
    pub mean: f64,
    /// 95% interval of this one mean for the luck of the draws (Student's t over the runs), given these prompts.
    pub ci95_monte_carlo: Interval,
    /// With which probability runs of no gain have a mean at least as far from 0.
    pub p_value: f64,
}

impl Gain {
    /// None for fewer than two runs.
    pub(super) fn of(runs: &[f64]) -> Option<Self> {
        let count = runs.len() as f64;
        let mean = runs.iter().sum::<f64>() / count;
        let squares: f64 = runs.iter().map(|gain| (gain - mean) * (gain - mean)).sum();
        let sd = (squares / (count - 1.0)).sqrt();
        stats::mean_interval(mean, sd, runs.len() as u64).map(|ci95_monte_carlo| Self {
            mean,
            ci95_monte_carlo,
            // Runs that all gain nothing say so without doubt.
            p_value: if mean == 0.0 {
                1.0
            } else {
                student_t_two_sided(mean / (sd / count.sqrt()), runs.len() as u64 - 1)
            },
        })
    }

    /// Given its corrected p-value; gains up to `smallest` are rounding.
    fn verdict(self, corrected: f64, smallest: f64) -> Verdict {
        let is_rounding = |gain: f64| gain.abs() <= smallest;
        match corrected <= families::LEVEL {
            _ if self.ci95_monte_carlo.into_iter().all(is_rounding) => Verdict::Nothing,
            false => Verdict::NotShown,
            true if is_rounding(self.mean) => Verdict::Nothing,
            true if self.mean > 0.0 => Verdict::Pays,
            true => Verdict::Costs,
        }
    }
}

/// The best attack that was found for one aim.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What was maximised.
    pub aim: Aim,
    /// The attack.
    pub attack: Attack,
    /// How many nodes differ from a deviating one in nothing but their names, itself included: it stands for all of
    /// them. 1 for attacks of several evaluators.
    pub alike: u32,
    /// What the attackers gain each time that one of them is paid, over their honest selves.
    pub gain: Option<Gain>,
    /// What a cabal's inference node gains each time that it is paid, over the run without the cabal.
    pub own_node_gain: Option<Gain>,
    /// What cabal and inference node gain together, in a round.
    pub coalition_gain: Option<Gain>,
    /// The p-value of what was maximised, corrected for the number of findings, and of numbers of attackers
    /// that were tried (Holm).
    pub p_corrected: Option<f64>,
    /// Whether what was maximised is above 0, by that p-value at 5%.
    pub verdict: Verdict,
    /// The best of each kind of attack that was tried (of each node, where the kind names one), the first of which is
    /// this one: inflated by the choice, and so not to be shown as gains.
    pub tried: Vec<Tried>,
    /// The best of each number of attackers that was tried, on the same fresh seeds; empty where there is one number.
    pub by_size: Vec<OfSize>,
    /// How widely it was searched.
    pub scope: Scope,
    /// A scenario that shows it: the base with the attack, on the first of the fresh seeds.
    pub scenario: Scenario,
}

/// The best attack that was found of so many attackers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfSize {
    /// How many attack.
    pub attackers: u32,
    /// The attack.
    pub attack: Attack,
    /// What they gain each time that one of them is paid.
    pub gain: Option<Gain>,
    /// What they gain together, in a round.
    pub gain_together: Option<Gain>,
    /// What a cabal and its inference node gain together, in a round.
    pub coalition_gain: Option<Gain>,
}

/// An attack that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// Who attacked.
    pub nodes: Vec<String>,
    /// What they did.
    pub kind: Kind,
    /// What was maximised, at few rounds on the seed of the base; none where the attackers were never paid.
    pub value: Option<f64>,
    /// The same at all rounds over the seeds that the best few were compared on; none for all others.
    pub compared: Option<f64>,
}

/// What a search tried for one finding, and what it held fixed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Scope {
    /// How many nodes may attack.
    pub nodes: u32,
    /// Numbers of attackers that were tried.
    pub sizes: Vec<u32>,
    /// Different sets of attackers that were tried. Nodes that differ in nothing but their names count as one.
    pub sets: u64,
    /// Sets of these sizes that there are.
    pub sets_possible: u64,
    /// Kinds of attack, by name.
    pub kinds: Vec<&'static str>,
    /// Kinds with their numbers: strengths, probabilities, and the node that is favoured or imitated.
    pub strengths: u64,
    /// Attacks by who, what and how strongly: one run each at least.
    pub attacks: u64,
    /// What all of them have in common.
    pub held_fixed: Vec<&'static str>,
}

/// What was tried for `findings` and what was held fixed, in a few sentences: nodes that deviate alone in the same
/// ways are told together.
#[must_use]
pub fn words_of_scopes(findings: &[Finding]) -> Vec<String> {
    let mut alike: Vec<Vec<&Scope>> = Vec::new();
    for Finding { scope, .. } in findings {
        let is_same = |other: &&mut Vec<&Scope>| {
            let other = other[0];
            other.nodes == 1 && scope.nodes == 1 && other.kinds == scope.kinds && other.held_fixed == scope.held_fixed
        };
        match alike.iter_mut().find(is_same) {
            Some(others) => others.push(scope),
            None => alike.push(vec![scope]),
        }
    }
    alike.into_iter().map(|scopes| words(&scopes)).collect()
}

/// Of one scope, or of several nodes each of which is alone.
fn words(scopes: &[&Scope]) -> String {
    let first = scopes[0];
    let attacks: u64 = scopes.iter().map(|scope| scope.attacks).sum();
    let strengths = scopes.iter().map(|scope| scope.strengths).max().unwrap_or_default();
    let who = if first.nodes == 1 {
        match scopes.len() {
            1 => "one node alone".to_owned(),
            nodes => format!("{nodes} nodes, each alone"),
        }
    } else {
        let sets = if first.sets == first.sets_possible {
            format!("all {} sets of attackers", first.sets)
        } else {
            format!("{} of {} sets of attackers, grown and exchanged node by node", first.sets, first.sets_possible)
        };
        let sizes = match first.sizes[..] {
            [least, .., most] => format!("{least} to {most}"),
            _ => first.sizes.first().map(u32::to_string).unwrap_or_default(),
        };
        format!("{sets}, {sizes} of {} nodes", first.nodes)
    };
    format!(
        "Tried: {attacks} attacks ({who}; {}; up to {strengths} strengths and variants). Held fixed: {}.",
        first.kinds.join(", ").replace('_', " "),
        first.held_fixed.join("; ")
    )
}

/// What the findings of [`super::Search::deviations`] say of honesty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Equilibrium {
    /// Some nodes would gain alone, beyond chance.
    Broken {
        /// How many.
        nodes: u32,
    },
    /// Of every node, the best deviations that were tried do not pay.
    Held,
    /// No deviation pays beyond chance, but some could.
    Open {
        /// Of how many nodes.
        nodes: u32,
    },
}

impl Finding {
    /// The gain that was maximised.
    #[must_use]
    pub fn aimed_at(&self) -> Option<Gain> {
        self.aim.choose(self.gain, self.coalition_gain)
    }
}

impl OfSize {
    /// The gain that was maximised.
    pub(super) fn aimed_at(&self, aim: Aim) -> Option<Gain> {
        aim.choose(self.gain, self.coalition_gain)
    }
}

impl Aim {
    fn choose(self, gain: Option<Gain>, coalition_gain: Option<Gain>) -> Option<Gain> {
        match self {
            Self::OwnNode => coalition_gain,
            Self::Attackers | Self::FalseReport => gain,
        }
    }
}

/// Gains of a family: those of all findings, and of all numbers of attackers where there are several. With each, whose
/// it is and whether it is what was found.
fn family(findings: &[Finding]) -> Vec<(usize, bool, Gain)> {
    let mut family = Vec::new();
    for (index, finding) in findings.iter().enumerate() {
        if finding.by_size.is_empty() {
            family.extend(finding.aimed_at().map(|gain| (index, true, gain)));
        }
        for of in &finding.by_size {
            family.extend(of.aimed_at(finding.aim).map(|gain| (index, of.attack == finding.attack, gain)));
        }
    }
    family
}

/// For how many gains together the verdicts of `findings` are right.
#[must_use]
pub fn family_size(findings: &[Finding]) -> usize {
    family(findings).len()
}

/// Sets the verdicts of `findings`, which are a family; `scale` is the largest reward weight.
pub(super) fn judge(findings: &mut [Finding], scale: f64) {
    let family = family(findings);
    let p_values: Vec<f64> = family.iter().map(|(.., gain)| gain.p_value).collect();
    for ((index, is_found, gain), corrected) in family.into_iter().zip(holm(&p_values)) {
        if is_found {
            findings[index].p_corrected = Some(corrected);
            findings[index].verdict = gain.verdict(corrected, SMALLEST * scale);
        }
    }
}

/// The deviation that gains most among `findings` of [`super::Search::deviations`].
#[must_use]
pub fn largest<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Option<&'a Finding> {
    let gain = |finding: &Finding| finding.aimed_at().map_or(f64::NEG_INFINITY, |gain| gain.mean);
    findings.into_iter().reduce(|best, finding| if gain(finding) > gain(best) { finding } else { best })
}

/// What `findings` of [`super::Search::deviations`] say of honesty, within the deviations that were tried; none
/// without a finding. A false report of latency is a deviation as any other.
#[must_use]
pub fn equilibrium(findings: &[Finding]) -> Option<Equilibrium> {
    let nodes = |is: fn(&Finding) -> bool| {
        let mut counted: Vec<&Finding> = Vec::new();
        for finding in findings.iter().filter(|finding| is(finding)) {
            let is_same = |other: &&Finding| {
                other.attack.nodes == finding.attack.nodes && other.attack.kind.role() == finding.attack.kind.role()
            };
            if !counted.iter().any(is_same) {
                counted.push(finding);
            }
        }
        counted.iter().map(|finding| finding.alike).sum()
    };
    match (nodes(|finding| finding.verdict == Verdict::Pays), nodes(|finding| finding.verdict == Verdict::NotShown)) {
        _ if findings.is_empty() => None,
        (0, 0) => Some(Equilibrium::Held),
        (0, nodes) => Some(Equilibrium::Open { nodes }),
        (nodes, _) => Some(Equilibrium::Broken { nodes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_pays_costs_changes_nothing_or_cannot_be_told() {
        let verdict = |runs: &[f64], family: f64| {
            let gain = Gain::of(runs).expect("two runs");
            gain.verdict((gain.p_value * family).min(1.0), SMALLEST)
        };
        assert_eq!(verdict(&[0.1, 0.11, 0.12], 1.0), Verdict::Pays);
        assert_eq!(verdict(&[-0.1, -0.11, -0.12], 1.0), Verdict::Costs);
        assert_eq!(verdict(&[0.1, -0.11, 0.12], 1.0), Verdict::NotShown);
        // Beyond chance alone, and not among a hundred.
        assert_eq!(verdict(&[0.1, 0.11, 0.12], 100.0), Verdict::NotShown);
        // Of the size of rounding, however sure.
        for runs in [[0.0, 0.0], [1e-16, 1e-16], [4e-5, 4e-5], [-1e-9, 1e-9]] {
            assert_eq!(verdict(&runs, 1.0), Verdict::Nothing, "{runs:?}");
        }
        assert_eq!(verdict(&[2e-4, 2e-4], 1.0), Verdict::Pays);
        assert_eq!(Gain::of(&[1.0]), None);
    }
}
