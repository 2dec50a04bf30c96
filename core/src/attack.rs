//! Attacks: what dishonest nodes do. Named by arXiv 2601.21189 (noise injection, boosting, sabotage, intermittent
//! manipulation) or by common sense; no paper gives their strengths, so that every default here is assumed.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::fields::{self, Fields, unknown_word};
use crate::limits::{self, Bounds};
use crate::scenario::ScenarioError;

/// One attack, by the nodes that take part in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attack {
    /// Who attacks.
    pub nodes: Attackers,
    /// What they do.
    #[serde(flatten)]
    pub kind: Kind,
}

/// Who attacks.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Attackers {
    /// Ids of instances; the id of a recorded node stands for all its instances.
    Named(Vec<String>),
    /// A share of the role's nodes, rounded to the nearest number, drawn by the seed among those that no named attack
    /// has. Growing the share adds nodes and changes none.
    Share {
        /// In `[0, 1]`.
        share: f64,
    },
}

/// What attackers do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// An evaluator adds Gaussian noise to its scores, which stay within 0 to 10.
    Noise {
        /// Standard deviation, in points.
        sd: f64,
    },
    /// An evaluator adds to its scores: `min(10, s + by)` (arXiv 2601.21189, eq. 18).
    Boost {
        /// Points.
        by: f64,
    },
    /// An evaluator takes from its scores: `max(0, s - by)`.
    Sabotage {
        /// Points.
        by: f64,
    },
    /// An evaluator gives the mean of the scores that the others drawn give (5 where all of them copy).
    Copycat {
        /// Factor on its latency, since it does not score itself.
        latency_factor: f64,
    },
    /// An evaluator gives the same score whatever the answer.
    LazyConstant {
        /// The score, in `[0, 10]`.
        score: f64,
        /// Factor on its latency, since it does not score.
        latency_factor: f64,
    },
    /// Evaluators boost the answers of their own inference nodes and sabotage all others.
    Cabal {
        /// Ids of the cabal's inference nodes, as in [`Attackers::Named`].
        own: Vec<String>,
        /// Points.
        by: f64,
    },
    /// An inference node answers with the recorded output of another, and takes that one's time.
    Downgrade {
        /// Id of the recorded node.
        to: String,
    },
    /// An inference node's latency is reported as `factor` times what it is.
    LatencyMisreport {
        /// Factor.
        factor: f64,
    },
    /// Another attack, each time with that probability.
    Intermittent {
        /// In `[0, 1]`.
        probability: f64,
        /// The attack.
        attack: Box<Self>,
    },
}

/// Which role an attack is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Inference nodes.
    Inference,
    /// Evaluator nodes.
    Evaluator,
}

impl<'de> Deserialize<'de> for Attack {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fields::read(deserializer, |mut fields| {
            let nodes = fields.required("nodes").and_then(Attackers::from_value)?;
            Ok(Self { nodes, kind: Kind::from_fields(fields)? })
        })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fields::read(deserializer, Self::from_fields)
    }
}

impl Attackers {
    fn from_value(value: Value) -> Result<Self, String> {
        let words = || "`nodes`: allowed: a list of node ids, or {\"share\": a number from 0 to 1}".to_owned();
        match value {
            Value::Array(ids) => {
                let id = |id| if let Value::String(id) = id { Ok(id) } else { Err(words()) };
                Ok(Self::Named(ids.into_iter().map(id).collect::<Result<_, _>>()?))
            }
            Value::Object(fields) => {
                let mut fields = Fields::new(fields);
                let share = fields.required("share").map_err(|_| words())?;
                fields.finish().map_err(|_| words())?;
                Ok(Self::Share { share })
            }
            _ => Err(words()),
        }
    }
}

impl Kind {
    /// The names of the attacks on scores, then of those on inference, then of the one that wraps another.
    pub const NAMES: [&str; 9] = [
        "noise",
        "boost",
        "sabotage",
        "copycat",
        "lazy_constant",
        "cabal",
        "downgrade",
        "latency_misreport",
        "intermittent",
    ];

    /// An attack; absent numbers have their default.
    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        const POINTS: f64 = 3.0;
        let kind: String = fields.required("kind")?;
        let kind = match kind.as_str() {
            "noise" => Self::Noise { sd: fields.number("sd", POINTS)? },
            "boost" => Self::Boost { by: fields.number("by", POINTS)? },
            "sabotage" => Self::Sabotage { by: fields.number("by", POINTS)? },
            "copycat" => Self::Copycat { latency_factor: fields.number("latency_factor", 0.0)? },
            "lazy_constant" => Self::LazyConstant {
                score: fields.number("score", 5.0)?,
                latency_factor: fields.number("latency_factor", 0.0)?,
            },
            "cabal" => Self::Cabal { own: fields.required("own")?, by: fields.number("by", POINTS)? },
            "downgrade" => Self::Downgrade { to: fields.required("to")? },
            "latency_misreport" => Self::LatencyMisreport { factor: fields.number("factor", 0.5)? },
            "intermittent" => Self::Intermittent {
                probability: fields.number("probability", 0.5)?,
                attack: Box::new(Self::from_fields(Fields::new(fields.required("attack")?))?),
            },
            other => return Err(unknown_word("kind of attack", other, &Self::NAMES)),
        };
        fields.finish()?;
        Ok(kind)
    }

    /// Its name, as in `{"kind": name}`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Noise { .. } => "noise",
            Self::Boost { .. } => "boost",
            Self::Sabotage { .. } => "sabotage",
            Self::Copycat { .. } => "copycat",
            Self::LazyConstant { .. } => "lazy_constant",
            Self::Cabal { .. } => "cabal",
            Self::Downgrade { .. } => "downgrade",
            Self::LatencyMisreport { .. } => "latency_misreport",
            Self::Intermittent { .. } => "intermittent",
        }
    }

    /// Its name, with that of the attack that it wraps.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Intermittent { attack, .. } => format!("intermittent {}", attack.name()),
            kind => kind.name().to_owned(),
        }
    }

    /// Whose attack it is.
    #[must_use]
    pub fn role(&self) -> Role {
        match self {
            Self::Downgrade { .. } | Self::LatencyMisreport { .. } => Role::Inference,
            Self::Intermittent { attack, .. } => attack.role(),
            _ => Role::Evaluator,
        }
    }

    /// The attack itself, without what makes it intermittent, and the probability that it is made.
    #[must_use]
    pub fn unwrapped(&self) -> (&Self, f64) {
        match self {
            Self::Intermittent { probability, attack } => (attack, *probability),
            kind => (kind, 1.0),
        }
    }

    /// Its numbers: name, value and allowed range.
    #[must_use]
    pub fn parameters(&self) -> Vec<(&'static str, f64, Bounds)> {
        match *self {
            Self::Noise { sd } => vec![("sd", sd, limits::SCORE_NOISE_SD)],
            Self::Boost { by } | Self::Sabotage { by } | Self::Cabal { by, .. } => vec![("by", by, limits::SCORE)],
            Self::Copycat { latency_factor } => vec![("latency_factor", latency_factor, limits::SHARE)],
            Self::LazyConstant { score, latency_factor } => {
                vec![("score", score, limits::SCORE), ("latency_factor", latency_factor, limits::SHARE)]
            }
            Self::Downgrade { .. } => Vec::new(),
            Self::LatencyMisreport { factor } => vec![("factor", factor, limits::LATENCY_FACTOR)],
            Self::Intermittent { probability, .. } => vec![("probability", probability, limits::SHARE)],
        }
    }
}

impl Attack {
    /// Checks what does not depend on the network; `path` is the attack's own, such as `attacks.0`.
    pub(crate) fn check(&self, path: &str) -> Result<(), ScenarioError> {
        match &self.nodes {
            Attackers::Named(ids) if ids.is_empty() => {
                return Err(ScenarioError::new(format!("{path}.nodes"), "the list is empty; at least one node"));
            }
            Attackers::Named(_) => {}
            Attackers::Share { share } => limits::SHARE.check(&format!("{path}.nodes.share"), *share)?,
        }
        check_kind(&self.kind, path)
    }
}

fn check_kind(kind: &Kind, path: &str) -> Result<(), ScenarioError> {
    for (name, value, bounds) in kind.parameters() {
        bounds.check(&format!("{path}.{name}"), value)?;
    }
    match kind {
        Kind::Cabal { own, .. } if own.is_empty() => {
            Err(ScenarioError::new(format!("{path}.own"), "the list is empty; at least one inference node"))
        }
        Kind::Intermittent { attack, .. } => {
            if matches!(**attack, Kind::Intermittent { .. }) {
                return Err(ScenarioError::new(
                    format!("{path}.attack"),
                    "an intermittent attack wraps one that is not",
                ));
            }
            check_kind(attack, &format!("{path}.attack"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Attack, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn attacks_are_read_and_written_as_one_flat_object() {
        let attack = read(json!({"nodes": ["a", "b#2"], "kind": "boost", "by": 2})).expect("valid");
        assert_eq!(
            attack,
            Attack { nodes: Attackers::Named(vec!["a".into(), "b#2".into()]), kind: Kind::Boost { by: 2.0 } }
        );
        let wrapped = json!({"nodes": {"share": 0.25}, "kind": "intermittent", "probability": 0.5,
            "attack": {"kind": "cabal", "own": ["a"], "by": 3.0}});
        let attack = read(wrapped.clone()).expect("valid");
        assert_eq!(serde_json::to_value(&attack).expect("JSON"), wrapped);
        assert_eq!((attack.kind.role(), attack.kind.unwrapped().1), (Role::Evaluator, 0.5));
    }

    #[test]
    fn unknown_fields_and_kinds_are_refused() {
        for (value, words) in [
            (json!({"kind": "boost"}), "missing field `nodes`"),
            (json!({"nodes": ["a"], "kind": "bost"}), "unknown kind of attack `bost`"),
            (json!({"nodes": ["a"], "kind": "boost", "sd": 1}), "unknown field `sd`"),
            (json!({"nodes": "a", "kind": "boost"}), "a list of node ids"),
            (json!({"nodes": {"part": 1}, "kind": "boost"}), "a list of node ids"),
            (json!({"nodes": ["a"], "kind": "downgrade"}), "missing field `to`"),
        ] {
            let error = read(value.clone()).expect_err("must be refused").to_string();
            assert!(error.contains(words), "{value}: {error}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused_with_their_path() {
        for (value, path) in [
            (json!({"nodes": ["a"], "kind": "boost", "by": 11}), "attacks.0.by"),
            (json!({"nodes": ["a"], "kind": "noise", "sd": -1}), "attacks.0.sd"),
            (json!({"nodes": [], "kind": "noise"}), "attacks.0.nodes"),
            (json!({"nodes": {"share": 1.5}, "kind": "noise"}), "attacks.0.nodes.share"),
            (
                json!({"nodes": ["a"], "kind": "intermittent", "attack": {"kind": "lazy_constant", "score": 20}}),
                "attacks.0.attack.score",
            ),
            (
                json!({"nodes": ["a"], "kind": "intermittent", "attack": {"kind": "intermittent", "attack": {"kind": "copycat"}}}),
                "attacks.0.attack",
            ),
            (json!({"nodes": ["a"], "kind": "cabal", "own": []}), "attacks.0.own"),
        ] {
            let attack = read(value.clone()).expect("well formed");
            assert_eq!(attack.check("attacks.0").expect_err("must be refused").path, path, "{value}");
        }
    }

    #[test]
    fn every_name_is_an_attack() {
        for name in Kind::NAMES {
            let mut value = json!({"nodes": ["a"], "kind": name});
            match name {
                "cabal" => value["own"] = json!(["a"]),
                "downgrade" => value["to"] = json!("a"),
                "intermittent" => value["attack"] = json!({"kind": "copycat"}),
                _ => {}
            }
            assert_eq!(read(value).expect("valid").kind.name(), name);
        }
    }
}
