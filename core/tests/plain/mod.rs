//! Proof of Quality written out plainly, with none of the simulation's tables: what its figures are held to.

use poq_core::simulation::{GivenScore, ScoredAnswer};
use poq_core::{Dataset, Scenario};
use serde_json::{Value, json};

/// One node's earnings.
pub struct PlainNode {
    pub latency_ms: f64,
    pub cost: f64,
    /// As in a report: in `[0, 10]`.
    pub quality: f64,
    pub rewards: Vec<f64>,
    /// By reward: the round that it is from.
    pub rounds: Vec<usize>,
}

impl PlainNode {
    pub fn mean(&self) -> f64 {
        self.rewards.iter().sum::<f64>() / self.rewards.len() as f64
    }

    pub fn sd(&self) -> f64 {
        let squares: f64 = self.rewards.iter().map(|reward| (reward - self.mean()).powi(2)).sum();
        (squares / (self.rewards.len() as f64 - 1.0)).sqrt()
    }

    pub fn negative_share(&self) -> f64 {
        self.rewards.iter().filter(|&&reward| reward < 0.0).count() as f64 / self.rewards.len() as f64
    }
}

/// A run's figures. The lists are in order of answers; `judge` is empty where the dataset has none.
pub struct PlainRun {
    pub inference: Vec<PlainNode>,
    pub evaluators: Vec<PlainNode>,
    pub consensus: Vec<f64>,
    pub truth: Vec<f64>,
    pub judge: Vec<f64>,
}

/// Pays every answer of `rounds`. Which task, nodes and evaluators were drawn, and the noise on scores, are taken from
/// there; all else is worked out from the dataset.
pub fn plain_run(dataset: &Dataset, scenario: &Scenario, rounds: &[Vec<ScoredAnswer>]) -> PlainRun {
    let scenario = json!(scenario);
    let tasks: Vec<usize> = (0..dataset.tasks.len())
        .filter(|&task| array(&scenario["task_kinds"]).contains(&json!(dataset.tasks[task].kind)))
        .collect();
    let judge = dataset.manifest.evaluators.iter().position(|entry| entry.kind == "judge");

    let node_ids: Vec<String> = dataset.manifest.inference_nodes.iter().map(|entry| entry.id.clone()).collect();
    let evaluator_ids: Vec<String> = dataset.manifest.evaluators.iter().map(|entry| entry.id.clone()).collect();
    let paid: Vec<String> =
        evaluator_ids.iter().enumerate().filter(|&(index, _)| Some(index) != judge).map(|(_, id)| id.clone()).collect();

    let mut nodes = Vec::new();
    for (model, factor, _) in instances(&scenario["network"]["inference"], &node_ids, &node_ids) {
        let (mut latency, mut truth) = (0.0, 0.0);
        for &task in &tasks {
            latency += dataset.output(task, model).latency_ms;
            truth += dataset.truth(task, model);
        }
        let count = tasks.len() as f64;
        let node = PlainNode {
            latency_ms: factor * latency / count,
            cost: 0.0,
            quality: truth / count,
            rewards: Vec::new(),
            rounds: Vec::new(),
        };
        nodes.push((model, node));
    }
    let mut evaluators = Vec::new();
    for (model, factor, noise_sd) in instances(&scenario["network"]["evaluators"], &paid, &evaluator_ids) {
        let mut latency = 0.0;
        for &task in &tasks {
            for node in 0..node_ids.len() {
                latency += dataset.score(task, node, model).latency_ms;
            }
        }
        let count = (tasks.len() * node_ids.len()) as f64;
        let node = PlainNode {
            latency_ms: factor * latency / count,
            cost: 0.0,
            quality: 0.0,
            rewards: Vec::new(),
            rounds: Vec::new(),
        };
        evaluators.push((model, noise_sd, node));
    }
    let rule = scenario["cost_normalization"].as_str().expect("a rule");
    set_costs(rule, nodes.iter_mut().map(|(_, node)| node).collect());
    set_costs(rule, evaluators.iter_mut().map(|(_, _, node)| node).collect());

    let mut rule = PlainRule::new(&scenario, &paid, evaluators.len());
    let weight = |name: &str| scenario["reward"][name].as_f64().expect("a weight");
    let (mut consensuses, mut truths, mut judged) = (Vec::new(), Vec::new(), Vec::new());
    let answers =
        rounds.iter().enumerate().flat_map(|(round, answers)| answers.iter().map(move |answer| (round, answer)));
    for (round, answer) in answers {
        assert!(tasks.contains(&answer.task));
        let (node_model, node) = &mut nodes[answer.inference];
        for &GivenScore { evaluator, score, .. } in &answer.scores {
            let (model, noise_sd, _) = &evaluators[evaluator];
            if *noise_sd == 0.0 {
                let want = normalized(dataset, &scenario, answer.task, *node_model, *model);
                assert!((score - want).abs() < 1e-12, "{score} is not {want}");
            }
        }
        let consensus = rule.consensus(&answer.scores);
        assert!((consensus - answer.consensus).abs() < 1e-12);
        node.rewards.push(weight("alpha_inference") * consensus / 10.0 - weight("beta_inference") * node.cost);
        node.rounds.push(round);
        // As it was given: ranks are sensitive to the last bit, which tells equal values apart.
        consensuses.push(answer.consensus);
        truths.push(dataset.truth(answer.task, *node_model));
        judged.extend(judge.map(|judge| 10.0 * dataset.score(answer.task, *node_model, judge).raw));
        for &GivenScore { evaluator, score, .. } in &answer.scores {
            let (_, _, node) = &mut evaluators[evaluator];
            let closeness = 1.0 - (score - consensus).abs() / 10.0;
            node.quality += closeness;
            node.rewards.push(weight("alpha_evaluator") * closeness - weight("beta_evaluator") * node.cost);
            node.rounds.push(round);
        }
    }
    for (_, _, node) in &mut evaluators {
        node.quality *= 10.0 / node.rewards.len() as f64;
    }
    PlainRun {
        inference: nodes.into_iter().map(|(_, node)| node).collect(),
        evaluators: evaluators.into_iter().map(|(_, _, node)| node).collect(),
        consensus: consensuses,
        truth: truths,
        judge: judged,
    }
}

/// The consensus rules, each straight from its definition.
struct PlainRule {
    parameters: Value,
    /// By evaluator: trust, or stake.
    weights: Vec<f64>,
}

impl PlainRule {
    fn new(scenario: &Value, paid: &[String], evaluators: usize) -> Self {
        let parameters = scenario["consensus"].clone();
        let mut weights = vec![parameters["w_initial"].as_f64().unwrap_or(1.0); evaluators];
        if parameters["rule"] == "yuma" {
            let groups = array(&scenario["network"]["evaluators"]);
            let stakes = groups.iter().flat_map(|group| {
                let count = group["count"].as_u64().expect("a count") as usize;
                vec![group["stake"].as_f64().expect("a stake"); count]
            });
            weights = stakes.collect();
            weights.resize(evaluators.max(if groups.is_empty() { paid.len() } else { 0 }), 1.0);
        }
        Self { parameters, weights }
    }

    fn number(&self, name: &str) -> f64 {
        self.parameters[name].as_f64().expect("a number")
    }

    fn consensus(&mut self, given: &[GivenScore]) -> f64 {
        let mut sorted: Vec<f64> = given.iter().map(|given| given.score).collect();
        sorted.sort_by(f64::total_cmp);
        let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
        match self.parameters["rule"].as_str().expect("a rule") {
            "mean" => mean(&sorted),
            "median" => (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0,
            "trimmed_mean" => {
                let dropped = (self.number("trim_share") * sorted.len() as f64).ceil() as usize;
                mean(&sorted[dropped..sorted.len() - dropped])
            }
            "yuma" => {
                let stake = |given: &GivenScore| self.weights[given.evaluator];
                let total: f64 = given.iter().map(stake).sum();
                let behind = |score: f64| given.iter().filter(|given| given.score >= score).map(stake).sum::<f64>();
                let cut = sorted.iter().rev().find(|&&score| behind(score) >= self.number("kappa") * total);
                let cut = *cut.expect("the lowest score has all stake behind it");
                given.iter().map(|given| stake(given) * given.score.min(cut)).sum::<f64>() / total
            }
            trust => {
                for given in given {
                    assert!((given.weight - self.weights[given.evaluator]).abs() < 1e-12);
                }
                let total: f64 = given.iter().map(|given| given.weight).sum();
                let consensus = given.iter().map(|given| given.weight * given.score).sum::<f64>() / total;
                for given in given {
                    let deviation = (given.score - consensus).abs() / 10.0;
                    let old = self.weights[given.evaluator];
                    let next = if trust == "trust_weighted" {
                        old * (1.0 + self.number("lambda") * (0.5 - deviation))
                    } else {
                        let retention = self.number("retention");
                        retention * old + (1.0 - retention) * (1.0 - 2.0 * deviation).max(0.0)
                    };
                    self.weights[given.evaluator] = next.max(self.number("w_min")).min(self.number("w_max"));
                }
                consensus
            }
        }
    }
}

/// Position of the recorded node, latency factor and noise of every instance.
fn instances(groups: &Value, by_default: &[String], ids: &[String]) -> Vec<(usize, f64, f64)> {
    let position = |id: &str| ids.iter().position(|known| known == id).expect("a known id");
    if array(groups).is_empty() {
        return by_default.iter().map(|id| (position(id), 1.0, 0.0)).collect();
    }
    let mut instances = Vec::new();
    for group in array(groups) {
        for _ in 0..group["count"].as_u64().expect("a count") {
            let number = |name: &str| group[name].as_f64().expect("a number");
            let model = position(group["model"].as_str().expect("an id"));
            instances.push((model, number("latency_factor"), number("score_noise_sd")));
        }
    }
    instances
}

fn set_costs(rule: &str, mut nodes: Vec<&mut PlainNode>) {
    let latencies: Vec<f64> =
        nodes.iter().map(|node| if rule == "log_min_max" { node.latency_ms.ln() } else { node.latency_ms }).collect();
    let (mut min, mut max) = (f64::MAX, f64::MIN);
    for &latency in &latencies {
        min = min.min(latency);
        max = max.max(latency);
    }
    for (node, latency) in nodes.iter_mut().zip(latencies) {
        node.cost = match rule {
            "ratio_to_max" => latency / max,
            _ => (latency - min) / (max - min),
        };
    }
}

fn normalized(dataset: &Dataset, scenario: &Value, task: usize, node: usize, evaluator: usize) -> f64 {
    let raw = dataset.score(task, node, evaluator).raw;
    let rule = &scenario["score_normalization"][&dataset.manifest.evaluators[evaluator].id];
    match rule.as_str() {
        None | Some("unit") => 10.0 * raw,
        Some("ten") => raw,
        Some("sigmoid") => 10.0 / (1.0 + (-raw).exp()),
        Some("min_max") => {
            let (mut min, mut max) = (f64::MAX, f64::MIN);
            for task in 0..dataset.tasks.len() {
                for node in 0..dataset.inference_nodes() {
                    min = min.min(dataset.score(task, node, evaluator).raw);
                    max = max.max(dataset.score(task, node, evaluator).raw);
                }
            }
            10.0 * (raw - min) / (max - min)
        }
        Some(other) => panic!("no plain form of {other}"),
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}
