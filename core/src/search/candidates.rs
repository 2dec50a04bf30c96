//! The attacks that a search tries, and those around one that did well.

use crate::attack::Kind;
use crate::limits;

/// Points between two strengths that are tried at first; halved with each refinement.
const STEP: f64 = 2.0;
/// With which probability an attack is made, at first, where it is tried as an intermittent one.
const PROBABILITY: f64 = 0.5;
/// Factors of a false latency report.
const FACTORS: [f64; 4] = [0.1, 0.25, 0.5, 0.75];
/// What that leaves out.
pub(super) const LEAST_FACTOR: &str = "no report below a tenth of the true latency";

/// 2, 4, ... 10 points.
fn strengths() -> impl Iterator<Item = f64> {
    (1..=5).map(|step| STEP * f64::from(step))
}

/// Attacks on scores that favour nobody. Whoever copies or gives a constant is taken to need no time for it.
pub(super) fn on_scores() -> Vec<Kind> {
    let mut kinds: Vec<Kind> = strengths().map(|by| Kind::Boost { by }).collect();
    kinds.extend(strengths().map(|by| Kind::Sabotage { by }));
    kinds.extend(strengths().map(|sd| Kind::Noise { sd }));
    kinds.push(Kind::Copycat { latency_factor: 0.0 });
    let scores = std::iter::once(0.0).chain(strengths());
    kinds.extend(scores.map(|score| Kind::LazyConstant { score, latency_factor: 0.0 }));
    kinds
}

/// Cabals for one of `nodes` each.
pub(super) fn cabals(nodes: &[String]) -> Vec<Kind> {
    nodes.iter().flat_map(|node| strengths().map(|by| Kind::Cabal { own: vec![node.clone()], by })).collect()
}

/// Answers with the output of another node among `recorded` than `model`.
pub(super) fn downgrades<'a>(recorded: impl Iterator<Item = &'a str>, model: &str) -> Vec<Kind> {
    recorded.filter(|&to| to != model).map(|to| Kind::Downgrade { to: to.to_owned() }).collect()
}

/// False reports of a latency.
pub(super) fn false_reports() -> Vec<Kind> {
    FACTORS.map(|factor| Kind::LatencyMisreport { factor }).to_vec()
}

/// Attacks near `kind`: half of the last step stronger and weaker, made half of the time, or more and less often.
pub(super) fn around(kind: &Kind, refinement: u32) -> Vec<Kind> {
    let halves = f64::from(1 << refinement);
    let (inner, probability) = kind.unwrapped();
    if matches!(inner, Kind::LatencyMisreport { .. }) {
        return Vec::new();
    }
    let is_intermittent = matches!(kind, Kind::Intermittent { .. });
    let mut near = Vec::new();
    if let Some(strength) = strength(inner) {
        for strength in [strength - STEP / halves, strength + STEP / halves] {
            if limits::SCORE.contains(strength) {
                let stronger = with_strength(inner, strength);
                near.push(if is_intermittent { intermittent(&stronger, probability) } else { stronger });
            }
        }
    }
    if is_intermittent {
        let step = 1.0 / halves;
        near.extend([probability - step, probability + step].map(|probability| intermittent(inner, probability)));
    } else {
        near.push(intermittent(inner, PROBABILITY));
    }
    near
}

fn intermittent(kind: &Kind, probability: f64) -> Kind {
    Kind::Intermittent { probability, attack: Box::new(kind.clone()) }
}

/// Its number on the scale of scores, all of which have the bounds of a score.
fn strength(kind: &Kind) -> Option<f64> {
    match *kind {
        Kind::Noise { sd: strength }
        | Kind::Boost { by: strength }
        | Kind::Sabotage { by: strength }
        | Kind::Cabal { by: strength, .. }
        | Kind::LazyConstant { score: strength, .. } => Some(strength),
        _ => None,
    }
}

fn with_strength(kind: &Kind, strength: f64) -> Kind {
    match kind.clone() {
        Kind::Noise { .. } => Kind::Noise { sd: strength },
        Kind::Boost { .. } => Kind::Boost { by: strength },
        Kind::Sabotage { .. } => Kind::Sabotage { by: strength },
        Kind::Cabal { own, .. } => Kind::Cabal { own, by: strength },
        Kind::LazyConstant { latency_factor, .. } => Kind::LazyConstant { score: strength, latency_factor },
        other => other,
    }
}

/// Whether two attacks differ in numbers only, or in being made now and then.
pub(super) fn is_akin(one: &Kind, other: &Kind) -> bool {
    match (one.unwrapped().0, other.unwrapped().0) {
        (Kind::Cabal { own: one, .. }, Kind::Cabal { own: other, .. }) => one == other,
        (Kind::Downgrade { to: one }, Kind::Downgrade { to: other }) => one == other,
        (one, other) => one.name() == other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refinements_halve_the_steps() {
        let boost = |by| Kind::Boost { by };
        assert_eq!(around(&boost(4.0), 1), [boost(3.0), boost(5.0), intermittent(&boost(4.0), 0.5)]);
        // 10.5 points would be out of bounds.
        assert_eq!(around(&boost(10.0), 2), [boost(9.5), intermittent(&boost(10.0), 0.5)]);
        let half = intermittent(&boost(4.0), 0.5);
        let near = [intermittent(&boost(3.5), 0.5), intermittent(&boost(4.5), 0.5)];
        let often = [intermittent(&boost(4.0), 0.25), intermittent(&boost(4.0), 0.75)];
        assert_eq!(around(&half, 2), [near, often].concat());
        let copycat = Kind::Copycat { latency_factor: 0.0 };
        assert_eq!(around(&copycat, 1), [intermittent(&copycat, 0.5)]);
        assert!(false_reports().iter().all(|report| around(report, 1).is_empty()));
    }

    #[test]
    fn attacks_are_akin_that_differ_in_numbers() {
        let cabal = |own: &str, by| Kind::Cabal { own: vec![own.to_owned()], by };
        assert!(is_akin(&cabal("a", 1.0), &intermittent(&cabal("a", 2.0), 0.5)));
        assert!(!is_akin(&cabal("a", 1.0), &cabal("b", 1.0)));
        assert!(!is_akin(&Kind::Boost { by: 1.0 }, &Kind::Sabotage { by: 1.0 }));
    }
}
