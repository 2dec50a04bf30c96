//! The attackers as rows that a page edits: an attack's kind, who makes it, its numbers.

use poq_core::attack::{Attack, Attackers, Kind, Role};
use serde_json::{Value, json};

use crate::fields::Choice;
use crate::protocol::Summary;

/// Kinds of attack, those on scores first.
pub const KINDS: [Choice; 8] = [
    ("boost", "boost: adds to its scores"),
    ("sabotage", "sabotage: takes from its scores"),
    ("noise", "noise on its scores"),
    ("lazy_constant", "lazy: always the same score"),
    ("copycat", "copycat: the mean of the others"),
    ("cabal", "cabal: lifts its own, sinks rivals"),
    ("downgrade", "downgrade: a cheaper node’s answer"),
    ("latency_misreport", "misreports its latency"),
];

/// What an attack's number is called, by its name in a scenario.
pub const NUMBERS: [Choice; 6] = [
    ("by", "points"),
    ("sd", "sd, points"),
    ("score", "score"),
    ("latency_factor", "× latency"),
    ("factor", "× reported latency"),
    ("probability", "probability"),
];

/// The ids that an attack of `kind` may name.
#[must_use]
pub fn candidates<'a>(kind: &Kind, summary: &'a Summary) -> Vec<&'a str> {
    let nodes = match kind.role() {
        Role::Inference => &summary.inference,
        Role::Evaluator => &summary.evaluators,
    };
    nodes.iter().map(|node| node.id.as_str()).collect()
}

/// A new attack, the one that a page adds first: a fifth of the evaluators boost.
#[must_use]
pub fn fresh() -> Attack {
    Attack { nodes: Attackers::Share { share: 0.2 }, kind: Kind::Boost { by: 3.0 } }
}

/// `attack` with another kind by its defaults. Who attacks stays where the role does.
#[must_use]
pub fn with_kind(attack: &Attack, kind: &str, summary: &Summary) -> Attack {
    let first = |nodes: &[crate::protocol::NodeSummary]| nodes.first().map(|node| node.id.clone()).unwrap_or_default();
    let mut value = json!({"kind": kind});
    match kind {
        "cabal" => value["own"] = json!([first(&summary.inference)]),
        "downgrade" => value["to"] = json!(summary.inference.last().map(|node| node.id.clone()).unwrap_or_default()),
        _ => {}
    }
    let Ok(kind) = serde_json::from_value::<Kind>(value) else {
        return attack.clone();
    };
    let nodes = if kind.role() == attack.kind.role() {
        attack.nodes.clone()
    } else {
        match kind.role() {
            Role::Inference => Attackers::Named(vec![first(&summary.inference)]),
            Role::Evaluator => Attackers::Share { share: 0.2 },
        }
    };
    let kind = match &attack.kind {
        Kind::Intermittent { probability, .. } => {
            Kind::Intermittent { probability: *probability, attack: Box::new(kind) }
        }
        _ => kind,
    };
    Attack { nodes, kind }
}

/// `attack` made only from time to time, or always.
#[must_use]
pub fn intermittent(attack: &Attack, is_intermittent: bool) -> Attack {
    let inner = attack.kind.unwrapped().0.clone();
    let kind = if is_intermittent { Kind::Intermittent { probability: 0.5, attack: Box::new(inner) } } else { inner };
    Attack { nodes: attack.nodes.clone(), kind }
}

/// `attack` with the field `name` of its kind, or of the kind that it wraps, set.
#[must_use]
pub fn with_field(attack: &Attack, name: &str, value: Value) -> Attack {
    let mut whole = serde_json::to_value(&attack.kind).unwrap_or(Value::Null);
    let is_outer = whole.get(name).is_some();
    let field =
        if is_outer { whole.get_mut(name) } else { whole.get_mut("attack").and_then(|inner| inner.get_mut(name)) };
    if let Some(field) = field {
        *field = value;
    }
    // A value of the wrong type would have to come from a box that lets it in.
    serde_json::from_value(whole).map_or_else(|_| attack.clone(), |kind| Attack { nodes: attack.nodes.clone(), kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn summary() -> Summary {
        Summary::of(&fixture::dataset())
    }

    #[test]
    fn every_kind_can_be_chosen_and_back() {
        let mut attack = fresh();
        for (name, _) in KINDS.iter().chain(&KINDS[..1]) {
            attack = with_kind(&attack, name, &summary());
            assert_eq!(attack.kind.name(), *name);
        }
        assert_eq!(attack.kind, Kind::Boost { by: 3.0 });
        let names: Vec<&str> = KINDS.iter().map(|&(name, _)| name).collect();
        assert!(Kind::NAMES.iter().all(|name| *name == "intermittent" || names.contains(name)));
    }

    #[test]
    fn who_attacks_stays_within_the_role() {
        let named = Attack { nodes: Attackers::Named(vec!["near".into()]), kind: Kind::Boost { by: 1.0 } };
        assert_eq!(with_kind(&named, "copycat", &summary()).nodes, named.nodes);
        let downgrade = with_kind(&named, "downgrade", &summary());
        assert_eq!(downgrade.nodes, Attackers::Named(vec!["quick".into()]));
        assert_eq!(candidates(&downgrade.kind, &summary()), ["quick", "slow"]);
    }

    #[test]
    fn intermittent_wraps_and_keeps_the_attack() {
        let attack = with_field(&intermittent(&fresh(), true), "by", json!(4.5));
        let attack = with_field(&attack, "probability", json!(0.25));
        let inner = Box::new(Kind::Boost { by: 4.5 });
        assert_eq!(attack.kind, Kind::Intermittent { probability: 0.25, attack: inner });
        assert_eq!(with_kind(&attack, "noise", &summary()).kind.title(), "intermittent noise");
        assert_eq!(intermittent(&attack, false).kind, Kind::Boost { by: 4.5 });
    }

    #[test]
    fn every_number_has_a_name() {
        for (name, _) in KINDS {
            let attack = intermittent(&with_kind(&fresh(), name, &summary()), true);
            let (inner, _) = attack.kind.unwrapped();
            for (number, ..) in attack.kind.parameters().into_iter().chain(inner.parameters()) {
                assert!(NUMBERS.iter().any(|&(known, _)| known == number), "{number}");
            }
        }
    }
}
