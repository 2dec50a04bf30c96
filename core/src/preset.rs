//! Named scenarios to start from. Those of a paper come with a dataset of their own, and one names the nodes of a
//! dataset that is shipped; the others name no recorded node, so that each fits any dataset.

use serde_json::{Value, json};

use crate::dataset::{Dataset, Shipped};
use crate::paper;

/// A named scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name in files and links.
    pub name: &'static str,
    /// Its title for people.
    pub title: &'static str,
    /// What it shows, in a sentence or two.
    pub about: &'static str,
    /// The dataset that it is made for; any, if none.
    pub dataset: Option<Origin>,
}

/// Where a dataset comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The program makes it.
    Made(Made),
    /// It is shipped with the program.
    Shipped(Shipped),
}

/// A dataset that the program makes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// The network of arXiv 2512.16317, fitted to its published figures.
    Fitted,
}

impl Made {
    /// The dataset.
    #[must_use]
    pub fn make(self) -> Dataset {
        match self {
            Self::Fitted => paper::dataset(),
        }
    }
}

/// The follow-up paper's rules and attacks on the fitted network.
pub const ROBUST: &str = "paper-2601.21189";

/// The default network and the baselines that answer without a model.
pub const FREE_RIDERS: &str = "free-riders";
/// The inference nodes of that preset: all that `poq-lab-2` has.
const WITH_BASELINES: [&str; 6] =
    ["smollm2-135m", "gemma-3-270m", "qwen2.5-0.5b", "qwen2.5-1.5b", "lead-sentence", "keyword-span"];

/// The preset that everything starts from.
pub const DEFAULT: &str = "default";

/// Every preset.
pub const PRESETS: [Preset; 6] = [
    Preset {
        name: DEFAULT,
        title: "default",
        about: "The mechanism as arXiv 2512.16317 has it, what it leaves open as this program assumes it; everybody is honest.",
        dataset: None,
    },
    Preset {
        name: FREE_RIDERS,
        title: "free riders",
        about: "The four language models of poq-lab-2 and two nodes that run no model: one copies the first sentences of the \
                context, the other the piece of it that the prompt’s words point at. What the mechanism pays them is in \
                the table of nodes.",
        dataset: Some(Origin::Shipped(Shipped::PoqLab2)),
    },
    Preset {
        name: paper::DATASET_ID,
        title: "arXiv 2512.16317, fitted",
        about: "The paper’s five models and three evaluators as synthetic profiles, fitted to the figures published about it: no \
                text of this dataset is a model’s. What the paper leaves open is as in “default”.",
        dataset: Some(Origin::Made(Made::Fitted)),
    },
    Preset {
        name: ROBUST,
        title: "arXiv 2601.21189, on the fitted network",
        about: "The follow-up’s trust-weighted mean on ten instances of each fitted evaluator, three in ten of which boost scores \
                half of the time. Every strength is assumed: the paper’s are not known.",
        dataset: Some(Origin::Made(Made::Fitted)),
    },
    Preset {
        name: "drift-under-clip",
        title: "drift under the clip rule",
        about: "Two evaluators in five add 2 points to every score, which is cautious: few deviations reach half the \
                scale, so that the clip rule raises every weight to its maximum or near it, the liars’ too, and is \
                all but the plain mean.",
        dataset: None,
    },
    Preset {
        name: "drift-under-ema",
        title: "the same under the EMA rule",
        about: "The attackers of “drift under the clip rule” under trust weights that follow closeness: no weight drifts to the \
                top. Whoever stays near the consensus keeps its say, honest or not.",
        dataset: None,
    },
];

/// The dataset that the preset of that name is made for; none for one that fits any, or that there is not.
#[must_use]
pub fn dataset_of(name: &str) -> Option<Origin> {
    PRESETS.iter().find(|preset| preset.name == name)?.dataset
}

/// What a preset sets besides its name; `None` for a name that there is not.
pub(crate) fn patch(name: &str) -> Option<Value> {
    let drift = |rule: &str| {
        json!({
            "consensus": {"rule": rule},
            "attacks": [{"nodes": {"share": 0.4}, "kind": "boost", "by": 2.0}],
        })
    };
    match name {
        DEFAULT | paper::DATASET_ID => Some(json!({})),
        FREE_RIDERS => {
            let groups = WITH_BASELINES.map(|id| json!({"model": id, "count": 1}));
            Some(json!({"network": {"inference": groups}}))
        }
        ROBUST => Some(paper::robust::preset_patch()),
        "drift-under-clip" => Some(drift("trust_weighted")),
        "drift-under-ema" => Some(drift("ema_trust")),
        _ => None,
    }
}
