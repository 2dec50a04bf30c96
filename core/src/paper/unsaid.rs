//! What the paper leaves unsaid.

use serde::Serialize;

/// Something that a simulation needs and arXiv 2512.16317 does not say, as far as it is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Unsaid {
    /// What is not said.
    pub what: &'static str,
    /// Path of the scenario's field that holds our assumption; none where it is part of the formulas or of the dataset.
    pub field: Option<&'static str>,
    /// The assumption, by default.
    pub assumed: &'static str,
}

pub(super) const fn unsaid_in(field: &'static str, what: &'static str, assumed: &'static str) -> Unsaid {
    Unsaid { what, field: Some(field), assumed }
}

pub(super) const fn unsaid_elsewhere(what: &'static str, assumed: &'static str) -> Unsaid {
    Unsaid { what, field: None, assumed }
}

/// What the paper leaves unsaid, each with our assumption.
#[must_use]
pub fn unsaid() -> &'static [Unsaid] {
    &UNSAID
}

const UNSAID: [Unsaid; 18] = [
    unsaid_in("reward.alpha_inference", "the weight of quality in an inference node’s reward", "1"),
    unsaid_in("reward.beta_inference", "the weight of cost in an inference node’s reward", "0.5"),
    unsaid_in("reward.alpha_evaluator", "the weight of quality in an evaluator’s reward", "1"),
    unsaid_in("reward.beta_evaluator", "the weight of cost in an evaluator’s reward", "0.5"),
    unsaid_in("evaluators_per_round", "K, how many evaluators score an answer", "3, which is all of them"),
    unsaid_in("inference_draw", "what a Monte Carlo round samples", "one task and one inference node, uniformly"),
    unsaid_in(
        "consensus",
        "how scores become the consensus",
        "their mean; a later paper calls the baseline “simple averaging”",
    ),
    unsaid_in("cost_normalization", "how latencies become costs", "min-max over the nodes of a role"),
    unsaid_in(
        "score_normalization",
        "how an evaluator’s raw value becomes a score of 0 to 10",
        "as the dataset’s manifest names it",
    ),
    unsaid_in("seed", "the seed", "42"),
    unsaid_elsewhere("the form of an evaluator’s quality", "1 - |score - consensus| / 10"),
    unsaid_elsewhere(
        "the judge’s model, prompt and scale",
        "scores of 0 to 10 that agree with the evaluators’ through truth alone",
    ),
    unsaid_elsewhere("how the 400 prompts split between question answering and summaries", "half and half"),
    unsaid_elsewhere("each model’s truth, as mean and spread", "synthetic profiles"),
    unsaid_elsewhere(
        "each model’s and evaluator’s latency, but for two ratios of quality per millisecond, about 7",
        "synthetic profiles",
    ),
    unsaid_elsewhere("the cross encoders’ correlations with truth, beyond “near zero or negative”", "0.02 and -0.10"),
    unsaid_elsewhere(
        "the rewards of three of the five inference nodes and of every evaluator",
        "what follows from the rest",
    ),
    unsaid_elsewhere("uncertainties: no interval is known of any figure", "ours stand beside ours alone"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;

    #[test]
    fn every_field_is_one_of_a_scenario() {
        let scenario = serde_json::to_value(Scenario::default()).expect("JSON");
        for Unsaid { what, field, .. } in unsaid() {
            if let Some(path) = field {
                assert!(scenario.pointer(&format!("/{}", path.replace('.', "/"))).is_some(), "{what}: {path}");
            }
        }
    }

    #[test]
    fn assumed_numbers_are_the_defaults() {
        let scenario = serde_json::to_value(Scenario::default()).expect("JSON");
        let mut numbers = 0;
        for Unsaid { field, assumed, .. } in unsaid() {
            let value = field.and_then(|path| scenario.pointer(&format!("/{}", path.replace('.', "/"))));
            if let Some(value) = value.and_then(serde_json::Value::as_f64) {
                let first = assumed.split(',').next().and_then(|word| word.parse::<f64>().ok());
                assert_eq!(first, Some(value), "{field:?}");
                numbers += 1;
            }
        }
        assert_eq!(numbers, 6);
    }
}
