//! Named scenarios to start from. None names a recorded node, so that each fits any dataset.

use serde_json::{Value, json};

/// A named scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name in files and links.
    pub name: &'static str,
    /// Its title for people.
    pub title: &'static str,
    /// What it shows, in a sentence or two.
    pub about: &'static str,
}

/// The preset that everything starts from.
pub const DEFAULT: &str = "default";

/// Every preset.
pub const PRESETS: [Preset; 3] = [
    Preset {
        name: DEFAULT,
        title: "default",
        about: "The mechanism as arXiv 2512.16317 has it, what it leaves open as this program assumes it; everybody is honest.",
    },
    Preset {
        name: "drift-under-clip",
        title: "drift under the clip rule",
        about: "Two evaluators in five add 2 points to every score, which is cautious: no deviation reaches half the scale, so \
                that the clip rule raises every weight to its maximum, the liars’ too, and becomes the plain mean.",
    },
    Preset {
        name: "drift-under-ema",
        title: "the same under the EMA rule",
        about: "The attackers of “drift under the clip rule” under trust weights that follow closeness: no weight drifts to the \
                top. Whoever stays near the consensus keeps its say, honest or not.",
    },
];

/// What a preset sets besides its name; `None` for a name that there is not.
pub(crate) fn patch(name: &str) -> Option<Value> {
    let drift = |rule: &str| {
        json!({
            "consensus": {"rule": rule},
            "attacks": [{"nodes": {"share": 0.4}, "kind": "boost", "by": 2.0}],
        })
    };
    match name {
        DEFAULT => Some(json!({})),
        "drift-under-clip" => Some(drift("trust_weighted")),
        "drift-under-ema" => Some(drift("ema_trust")),
        _ => None,
    }
}
