//! One round opened: the texts, scores and rewards behind its figures, with every sum's terms.

use serde::{Deserialize, Serialize};

use crate::consensus::Consensus;
use crate::dataset::{Dataset, TaskKind};
use crate::network::Network;
use crate::reward::{evaluator_quality, inference_quality, reward};
use crate::scenario::Scenario;
use crate::score::ScoreNormalization;
use crate::simulation::{GivenScore, ScoredAnswer};

/// A round as it was played.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenedRound {
    /// Its number, from 0.
    pub number: u64,
    /// Id of the task.
    pub task: String,
    /// What the task asks for.
    pub kind: TaskKind,
    /// The question or instruction.
    pub prompt: String,
    /// The passage or article that the prompt is about.
    pub context: Option<String>,
    /// Right answers.
    pub references: Vec<String>,
    /// What each recorded inference node says to this task, whether or not it answered in this round.
    pub recorded: Vec<RecordedAnswer>,
    /// The rule of consensus.
    pub consensus: Consensus,
    /// The answers of this round.
    pub answers: Vec<OpenedAnswer>,
}

/// What a recorded inference node says to a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedAnswer {
    /// Id of the recorded node.
    pub model: String,
    /// The answer.
    pub text: String,
    /// Tokens of the answer.
    pub tokens_out: u64,
    /// Measured time, in milliseconds.
    pub latency_ms: f64,
    /// Truth, in `[0, 10]`: it never pays.
    pub truth: f64,
}

/// One answer of the round, as it was scored and paid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenedAnswer {
    /// Instance that answered.
    pub node: String,
    /// Id of the recorded node.
    pub model: String,
    /// Id of the recorded node whose answer it gave: another where it was downgraded.
    pub answered_as: String,
    /// Truth of the answer, in `[0, 10]`.
    pub truth: f64,
    /// The attack that it takes part in, whether or not it acted on this answer.
    pub attack: Option<String>,
    /// What the evaluators drawn for the round made of it.
    pub evaluations: Vec<Evaluation>,
    /// The consensus, in `[0, 10]`.
    pub consensus: f64,
    /// What the node was paid.
    pub reward: RewardTerms,
}

/// What one evaluator made of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Instance that scored.
    pub evaluator: String,
    /// Id of the recorded evaluator.
    pub model: String,
    /// Its raw value.
    pub raw: f64,
    /// How the raw value became a score.
    pub normalization: ScoreNormalization,
    /// The score in `[0, 10]` before noise and attack.
    pub recorded_score: f64,
    /// The score in `[0, 10]` that it gave.
    pub score: f64,
    /// Its weight in the consensus: trust, or stake, or 1 where all count alike.
    pub weight: f64,
    /// The attack that it takes part in, whether or not it acted on this score.
    pub attack: Option<String>,
    /// What it was paid.
    pub reward: RewardTerms,
}

/// `reward = alpha * quality - beta * cost - slashed`, with its terms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RewardTerms {
    /// Weight of quality.
    pub alpha: f64,
    /// Quality, in `[0, 1]`.
    pub quality: f64,
    /// Weight of cost.
    pub beta: f64,
    /// Cost, in `[0, 1]`.
    pub cost: f64,
    /// Stake that is lost.
    pub slashed: f64,
    /// The sum.
    pub reward: f64,
}

impl RewardTerms {
    fn new(alpha: f64, quality: f64, beta: f64, cost: f64, slashed: f64) -> Self {
        Self { alpha, quality, beta, cost, slashed, reward: reward(alpha, quality, beta, cost) - slashed }
    }
}

impl OpenedRound {
    /// Round `number` with its texts. `answers` come from [`crate::Simulation::open_next`] on the same dataset,
    /// scenario and network; none without an answer.
    #[must_use]
    pub fn new(
        dataset: &Dataset,
        scenario: &Scenario,
        network: &Network,
        number: u64,
        answers: &[ScoredAnswer],
    ) -> Option<Self> {
        let task_index = answers.first()?.task;
        let task = &dataset.tasks[task_index];
        let recorded = dataset.manifest.inference_nodes.iter().enumerate().map(|(node, entry)| {
            let output = dataset.output(task_index, node);
            RecordedAnswer {
                model: entry.id.clone(),
                text: output.text.clone(),
                tokens_out: output.tokens_out,
                latency_ms: output.latency_ms,
                truth: dataset.truth(task_index, node),
            }
        });
        Some(Self {
            number,
            task: task.id.clone(),
            kind: task.kind,
            prompt: task.prompt.clone(),
            context: task.context.clone(),
            references: task.references.clone(),
            recorded: recorded.collect(),
            consensus: scenario.consensus,
            answers: answers.iter().map(|answer| opened_answer(dataset, scenario, network, answer)).collect(),
        })
    }
}

fn opened_answer(dataset: &Dataset, scenario: &Scenario, network: &Network, answer: &ScoredAnswer) -> OpenedAnswer {
    let weights = &scenario.reward;
    let node = &network.inference[answer.inference];
    let attack = |attack: usize| scenario.attacks[attack].kind.title();
    let evaluation = |&GivenScore { evaluator, score, weight, slashed }: &GivenScore| {
        let instance = &network.evaluators[evaluator];
        let entry = &dataset.manifest.evaluators[instance.model];
        let raw = dataset.score(answer.task, answer.model, instance.model).raw;
        let normalization = scenario.score_normalization.get(&entry.id).copied().unwrap_or(entry.normalization);
        let quality = evaluator_quality(score, answer.consensus);
        Evaluation {
            evaluator: instance.id.clone(),
            model: entry.id.clone(),
            raw,
            normalization,
            recorded_score: normalization.apply(raw, dataset.raw_range(instance.model)),
            score,
            weight,
            attack: instance.attack.map(attack),
            reward: RewardTerms::new(weights.alpha_evaluator, quality, weights.beta_evaluator, instance.cost, slashed),
        }
    };
    OpenedAnswer {
        node: node.id.clone(),
        model: dataset.manifest.inference_nodes[node.model].id.clone(),
        answered_as: dataset.manifest.inference_nodes[answer.model].id.clone(),
        truth: dataset.truth(answer.task, answer.model),
        attack: node.attack.map(attack),
        evaluations: answer.scores.iter().map(evaluation).collect(),
        consensus: answer.consensus,
        reward: RewardTerms::new(
            weights.alpha_inference,
            inference_quality(answer.consensus),
            weights.beta_inference,
            node.cost,
            0.0,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Simulation;
    use crate::dataset::DatasetFiles;
    use sha2::{Digest as _, Sha256};

    fn dataset() -> Dataset {
        let tasks = r#"{"id":"t","kind":"qa","prompt":"Who?","references":["Ann"],"context":"Ann did."}"#;
        let outputs = r#"{"task":"t","node":"a","text":"Ann","tokens_in":1,"tokens_out":1,"latency_ms":10}
{"task":"t","node":"b","text":"Bob","tokens_in":1,"tokens_out":1,"latency_ms":20}"#;
        let mut scores = String::new();
        for (node, raw) in [("a", 0.9), ("b", 0.2)] {
            for (evaluator, shift) in [("x", 0.0), ("y", 0.1)] {
                scores.push_str(&format!(
                    "{{\"task\":\"t\",\"node\":\"{node}\",\"evaluator\":\"{evaluator}\",\"raw\":{},\"latency_ms\":1}}\n",
                    raw - shift
                ));
            }
        }
        let hash = |text: &str| Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let entry = |rows: u32, text: &str| serde_json::json!({"rows": rows, "sha256": hash(text)});
        let manifest = serde_json::json!({
            "schema": 1, "id": "tiny", "hardware": "", "licences": "", "made_by": "",
            "inference_nodes": [{"id": "a", "name": "A", "kind": "k"}, {"id": "b", "name": "B", "kind": "k"}],
            "evaluators": [{"id": "x", "name": "X", "kind": "k", "normalization": "unit"},
                           {"id": "y", "name": "Y", "kind": "k", "normalization": "unit"}],
            "files": {"tasks.jsonl": entry(1, tasks), "outputs.jsonl": entry(2, outputs),
                      "scores.jsonl": entry(4, &scores)},
        })
        .to_string();
        Dataset::from_files(DatasetFiles {
            manifest: manifest.as_bytes(),
            tasks: tasks.as_bytes(),
            outputs: outputs.as_bytes(),
            scores: scores.as_bytes(),
        })
        .expect("a valid dataset")
    }

    #[test]
    fn an_opened_round_adds_up() {
        let dataset = dataset();
        let scenario = Scenario::from_json(
            r#"{"evaluators_per_round": 2, "inference_draw": "all", "rounds": 9,
                "network": {"evaluators": [{"model": "x"}, {"model": "y", "score_noise_sd": 1}]}}"#,
        )
        .expect("valid");
        let (network, answers) = Simulation::open_round(&dataset, &scenario, 7).expect("fits");
        let round = OpenedRound::new(&dataset, &scenario, &network, 7, &answers).expect("has answers");
        assert_eq!((round.task.as_str(), round.recorded.len(), round.answers.len()), ("t", 2, 2));
        assert_eq!((round.recorded[0].truth, round.recorded[1].truth), (10.0, 0.0));
        for answer in &round.answers {
            let scores: Vec<f64> = answer.evaluations.iter().map(|evaluation| evaluation.score).collect();
            assert_eq!(answer.consensus, scores.iter().sum::<f64>() / 2.0);
            for terms in answer.evaluations.iter().map(|evaluation| evaluation.reward).chain([answer.reward]) {
                assert_eq!(terms.reward, terms.alpha * terms.quality - terms.beta * terms.cost);
            }
            let steady = answer.evaluations.iter().find(|evaluation| evaluation.model == "x").expect("both drawn");
            assert_eq!((steady.score, steady.recorded_score), (steady.raw * 10.0, steady.raw * 10.0));
        }
        assert_eq!(OpenedRound::new(&dataset, &scenario, &network, 7, &[]), None);
    }

    #[test]
    fn a_round_opened_in_slices_is_the_same_and_changes_no_result() {
        let dataset = dataset();
        let scenario = Scenario::from_json(r#"{"evaluators_per_round": 2, "rounds": 30}"#).expect("valid");
        let mut sliced = Simulation::new(&dataset, &scenario).expect("fits");
        sliced.run(11);
        sliced.run(9);
        let (_, whole) = Simulation::open_round(&dataset, &scenario, 20).expect("fits");
        assert_eq!(sliced.open_next(), whole);
        sliced.run(u64::MAX);
        let straight = crate::simulate(&dataset, &scenario, scenario.seed, scenario.rounds).expect("fits");
        assert_eq!(sliced.report(&dataset).digest, straight.digest);
        assert_eq!(sliced.open_next(), []);
    }
}
