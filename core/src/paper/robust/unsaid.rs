//! What the paper leaves unsaid.

use super::super::unsaid::{Unsaid, unsaid_elsewhere, unsaid_in};

/// What arXiv 2601.21189 leaves unsaid, as far as it is known here, each with our assumption. Paths are those of a
/// scenario that has the rule or the attack: an attack is at `attacks.0`, one made now and then at `attacks.0.attack`.
#[must_use]
pub fn unsaid() -> &'static [Unsaid] {
    &UNSAID
}

const UNSAID: [Unsaid; 23] = [
    unsaid_in("consensus.lambda", "how fast trust weights move", "0.1"),
    unsaid_in("consensus.w_min", "the smallest trust weight", "0.1"),
    unsaid_in("consensus.w_max", "the largest trust weight", "2"),
    unsaid_in("consensus.w_initial", "the trust weight before the first round, w_0", "1"),
    unsaid_in(
        "consensus.trim_share",
        "the share of scores that the trimmed mean drops",
        "0.2, at each end, rounded up to whole scores: with K = 3 the trimmed mean is the median",
    ),
    unsaid_in("attacks.0.sd", "the standard deviation of injected noise", "3, in points"),
    unsaid_in("attacks.0.by", "b, the points of a boost", "3"),
    unsaid_elsewhere("the form and points of sabotage", "a boost the other way round: max(0, s - 3)"),
    unsaid_in("attacks.0.probability", "how often an intermittent attacker attacks", "0.5, each time anew"),
    unsaid_in("attacks.0.attack", "what an intermittent attacker does when it attacks", "a boost"),
    unsaid_in(
        "attacks.0.nodes.share",
        "the malicious shares",
        "0.1, 0.2, 0.3 and 0.4 of the evaluators, drawn at random",
    ),
    unsaid_in("evaluators_per_round", "the values of K", "3, 5, 7 and 9"),
    unsaid_in(
        "network.evaluators",
        "how many evaluators there are, and of which models",
        "at least 30: as many instances of each recorded evaluator",
    ),
    unsaid_in(
        "network.evaluators.0.score_noise_sd",
        "what tells two evaluators of one model apart",
        "0.3 points of noise on every score, in the study",
    ),
    unsaid_in("rounds", "rounds of a run", "2000 in the study"),
    unsaid_in("seed", "the seeds", "ten that follow each other"),
    unsaid_in("inference_draw", "what a round samples", "one task and one inference node, uniformly"),
    unsaid_in("reward.beta_evaluator", "the weight of cost in an evaluator’s reward", "0.5"),
    unsaid_in("reward.beta_inference", "the weight of cost in an inference node’s reward", "0.5"),
    unsaid_elsewhere(
        "how closeness to truth is measured",
        "by mean absolute distance and by Pearson’s correlation, over answers",
    ),
    unsaid_elsewhere(
        "the variance of evaluators’ rewards: over what",
        "over the rounds of each evaluator, as a standard deviation",
    ),
    unsaid_elsewhere("the inference nodes, evaluators, prompts and their figures", "those of the dataset at hand"),
    unsaid_elsewhere(
        "tables and uncertainties: none is known of any finding",
        "intervals over seeds, given the prompts",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;
    use serde_json::{Value, json};

    /// A scenario with each rule and each attack of the study, by its defaults.
    fn scenarios() -> Vec<Value> {
        let attacks = [
            json!({"kind": "noise"}),
            json!({"kind": "boost"}),
            json!({"kind": "intermittent", "attack": {"kind": "boost"}}),
        ];
        let rules = ["trimmed_mean", "trust_weighted"];
        let each = attacks.into_iter().flat_map(|attack| rules.map(|rule| (attack.clone(), rule)));
        let scenario = |(mut attack, rule): (Value, &str)| {
            attack["nodes"] = json!({"share": 0.1});
            let patch =
                json!({"consensus": {"rule": rule}, "attacks": [attack], "network": {"evaluators": [{"model": "m"}]}});
            serde_json::to_value(Scenario::from_patch(&patch).expect("valid")).expect("JSON")
        };
        each.map(scenario).collect()
    }

    fn values(path: &str) -> Vec<Value> {
        let pointer = format!("/{}", path.replace('.', "/"));
        scenarios().iter().filter_map(|scenario| scenario.pointer(&pointer).cloned()).collect()
    }

    #[test]
    fn every_field_is_one_of_a_scenario_of_the_study() {
        for Unsaid { what, field, .. } in unsaid() {
            if let Some(path) = field {
                assert!(!values(path).is_empty(), "{what}: {path}");
            }
        }
    }

    /// But for what the study sets itself.
    #[test]
    fn assumed_numbers_are_the_defaults() {
        let set = ["rounds", "seed", "network.evaluators.0.score_noise_sd"];
        let mut numbers = 0;
        for Unsaid { field, assumed, .. } in unsaid() {
            let Some(path) = field.filter(|path| !set.contains(path)) else { continue };
            for value in values(path).iter().filter_map(Value::as_f64) {
                let first = assumed.split(',').next().and_then(|word| word.parse::<f64>().ok());
                assert_eq!(first, Some(value), "{path}");
                numbers += 1;
            }
        }
        // Six scenarios: four fields in half of them, one in the other half, five in two, three in all.
        assert_eq!(numbers, 4 * 3 + 3 + 2 + 2 + 2 + 6 * 4);
    }
}
