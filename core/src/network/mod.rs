//! The network of a run: instances of recorded nodes, with their costs and scores as flat tables.

mod attackers;

use std::collections::BTreeMap;

use crate::attack::Role;
use crate::dataset::{Dataset, JUDGE};
use crate::rng::{Purpose, Stream};
use crate::scenario::{DEFAULT_K, Group, Scenario, ScenarioError};
use crate::score::ScoreNormalization;

pub(crate) use attackers::{Act, Conduct, shuffle};
use attackers::{Pool, attackers_latency, conducts};

/// One node of the simulated network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Instance {
    /// `model`, or `model#1`, `model#2`, ... where there are several instances of that recorded node.
    pub id: String,
    /// Position of the recorded node in the manifest.
    pub model: usize,
    /// Position of its group in the scenario's network; of the recorded node where the scenario names no group.
    pub group: usize,
    /// Factor on the recorded latency.
    pub latency_factor: f64,
    /// Mean latency over the tasks that are drawn, with that factor, in milliseconds; for attackers as their attack has
    /// it.
    pub latency_ms: f64,
    /// What the latency truly is where the node reports another.
    pub true_latency_ms: f64,
    /// Latency normalised over this role's pool, in `[0, 1]`.
    pub cost: f64,
    /// Standard deviation of the noise on its scores.
    pub score_noise_sd: f64,
    /// Its stake.
    pub stake: f64,
    /// Position of the attack that it takes part in, in the scenario.
    pub attack: Option<usize>,
}

/// The nodes of a role in cohorts: those of one group with the same attack, or with none, differ in nothing but their
/// names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cohorts {
    /// By node: its cohort.
    pub of: Vec<u32>,
    /// By cohort: its first node.
    pub first: Vec<u32>,
    /// By cohort: how many nodes it has.
    pub size: Vec<u32>,
}

impl Cohorts {
    pub(crate) fn new<'a>(nodes: impl Iterator<Item = &'a Instance>) -> Self {
        let mut cohorts = Self::default();
        let mut known = BTreeMap::new();
        for (node, instance) in (0..).zip(nodes) {
            let next = cohorts.first.len() as u32;
            let cohort = *known.entry((instance.group, instance.attack)).or_insert(next);
            if cohort == next {
                cohorts.first.push(node);
                cohorts.size.push(0);
            }
            cohorts.size[cohort as usize] += 1;
            cohorts.of.push(cohort);
        }
        cohorts
    }

    /// So many nodes, each a cohort of its own.
    pub(crate) fn single(nodes: usize) -> Self {
        let each: Vec<u32> = (0..nodes as u32).collect();
        Self { first: each.clone(), of: each, size: vec![1; nodes] }
    }

    /// By node: its unit, numbered below `units`; each node with a number that is no unit is one of its own, after
    /// those.
    pub(crate) fn of_units(mut of: Vec<u32>, units: usize) -> Self {
        let (mut first, mut size) = (vec![u32::MAX; units], vec![0; units]);
        for (node, unit) in (0..).zip(&mut of) {
            if *unit as usize >= units {
                *unit = first.len() as u32;
                first.push(node);
                size.push(0);
            }
            let unit = *unit as usize;
            first[unit] = first[unit].min(node);
            size[unit] += 1;
        }
        Self { of, first, size }
    }

    pub(crate) fn len(&self) -> usize {
        self.first.len()
    }

    /// Whether every node is a cohort of its own: then cohorts are numbered as nodes are.
    pub(crate) fn are_single(&self) -> bool {
        self.first.len() == self.of.len()
    }
}

/// A scenario laid over a dataset: everything a round looks up.
#[derive(Clone, Debug)]
pub struct Network {
    /// Positions of the tasks that are drawn.
    pub tasks: Vec<usize>,
    /// Inference nodes.
    pub inference: Vec<Instance>,
    /// Evaluator nodes.
    pub evaluators: Vec<Instance>,
    pub(crate) inference_cohorts: Cohorts,
    pub(crate) evaluator_cohorts: Cohorts,
    /// Scores in `[0, 10]`, laid out as `[task drawn, recorded inference node, recorded evaluator]`.
    scores: Vec<f64>,
    recorded_nodes: usize,
    recorded_evaluators: usize,
    /// The scenario's attacks.
    pub(crate) conducts: Vec<Conduct>,
}

impl Network {
    /// Lays `scenario` over `dataset`.
    ///
    /// # Errors
    /// For a scenario that does not fit the dataset: an unknown model or evaluator id, a judge in the network, no task
    /// of the kinds asked for, more evaluators drawn than there are, a node in two attacks, more attackers than nodes.
    pub fn new(dataset: &Dataset, scenario: &Scenario) -> Result<Self, ScenarioError> {
        Self::without(dataset, scenario, None)
    }

    /// The same network in which the nodes of attack `honest` are honest; all else, other attackers too, is unchanged.
    pub(crate) fn without(
        dataset: &Dataset,
        scenario: &Scenario,
        honest: Option<usize>,
    ) -> Result<Self, ScenarioError> {
        let is_wanted = |&task: &usize| scenario.task_kinds.contains(&dataset.tasks[task].kind);
        Self::on_tasks(dataset, scenario, honest, (0..dataset.tasks.len()).filter(is_wanted).collect())
    }

    /// The same on `tasks`, positions in the dataset of which some may be there several times: latencies are theirs.
    pub(crate) fn on_tasks(
        dataset: &Dataset,
        scenario: &Scenario,
        honest: Option<usize>,
        tasks: Vec<usize>,
    ) -> Result<Self, ScenarioError> {
        scenario.check()?;
        if tasks.is_empty() {
            let message = format!("the dataset `{}` has no task of these kinds", dataset.manifest.id);
            return Err(ScenarioError::new("task_kinds", message));
        }

        let nodes: Vec<&str> = dataset.manifest.inference_nodes.iter().map(|entry| entry.id.as_str()).collect();
        let by_default: Vec<&str> = dataset.default_nodes().map(|entry| entry.id.as_str()).collect();
        let evaluators: Vec<&str> = dataset.manifest.evaluators.iter().map(|entry| entry.id.as_str()).collect();
        let paid: Vec<&str> = dataset
            .manifest
            .evaluators
            .iter()
            .filter(|entry| entry.kind != JUDGE)
            .map(|entry| entry.id.as_str())
            .collect();
        let [node_latencies, evaluator_latencies] =
            [Role::Inference, Role::Evaluator].map(|role| recorded_latencies(dataset, role, &tasks));
        let mut inference = expand("network.inference", &scenario.network.inference, &nodes, &nodes, &by_default)?;
        let mut evaluator_instances =
            expand("network.evaluators", &scenario.network.evaluators, &evaluators, &paid, &paid)?;

        let mut chance = Stream::new(scenario.seed, Purpose::Attackers);
        let mut pool = Pool { role: Role::Evaluator, instances: &mut evaluator_instances, recorded: &evaluators };
        pool.enlist(scenario, &mut chance)?;
        let mut pool = Pool { role: Role::Inference, instances: &mut inference, recorded: &nodes };
        pool.enlist(scenario, &mut chance)?;
        let conducts = conducts(scenario, &pool)?;

        for (pool, recorded) in [(&mut inference, &node_latencies), (&mut evaluator_instances, &evaluator_latencies)] {
            for instance in pool.iter_mut() {
                instance.attack = instance.attack.filter(|&attack| Some(attack) != honest);
                [instance.latency_ms, instance.true_latency_ms] = latency(instance, scenario, &conducts, recorded);
            }
            let latencies: Vec<f64> = pool.iter().map(|instance| instance.latency_ms).collect();
            for (instance, cost) in pool.iter_mut().zip(scenario.cost_normalization.costs(&latencies)) {
                instance.cost = cost;
            }
        }
        scenario.k_for(evaluator_instances.len())?;

        let normalizations = normalizations(dataset, scenario)?;
        let mut scores = Vec::with_capacity(tasks.len() * nodes.len() * evaluators.len());
        for &task in &tasks {
            for node in 0..nodes.len() {
                for (evaluator, &(normalization, range)) in normalizations.iter().enumerate() {
                    scores.push(normalization.apply(dataset.score(task, node, evaluator).raw, range));
                }
            }
        }
        Ok(Self {
            tasks,
            inference_cohorts: Cohorts::new(inference.iter()),
            evaluator_cohorts: Cohorts::new(evaluator_instances.iter()),
            inference,
            evaluators: evaluator_instances,
            scores,
            recorded_nodes: nodes.len(),
            recorded_evaluators: evaluators.len(),
            conducts,
        })
    }

    /// By cohort of a role: its cost if the recorded nodes of that role had these mean latencies, in milliseconds.
    pub(crate) fn costs_of_cohorts(&self, scenario: &Scenario, role: Role, recorded_ms: &[f64]) -> Vec<f64> {
        let (nodes, cohorts) = (self.of(role), self.cohorts(role));
        // The nodes of a cohort have one latency, so that the pool has no other least or greatest one.
        let latency_ms = |&first: &u32| latency(&nodes[first as usize], scenario, &self.conducts, recorded_ms)[0];
        scenario.cost_normalization.costs(&cohorts.first.iter().map(latency_ms).collect::<Vec<_>>())
    }

    /// How many scores the network holds.
    pub(crate) fn score_count(&self) -> usize {
        self.scores.len()
    }

    /// The cohorts of a role.
    pub(crate) fn cohorts(&self, role: Role) -> &Cohorts {
        match role {
            Role::Inference => &self.inference_cohorts,
            Role::Evaluator => &self.evaluator_cohorts,
        }
    }

    /// The nodes of a role.
    pub(crate) fn of(&self, role: Role) -> &[Instance] {
        match role {
            Role::Inference => &self.inference,
            Role::Evaluator => &self.evaluators,
        }
    }

    /// What the inference node at `position` answers with in place of its own output, and with which probability.
    pub(crate) fn downgrade(&self, position: usize) -> Option<(usize, f64)> {
        let Conduct { act, probability } = &self.conducts[self.inference[position].attack?];
        match *act {
            Act::Downgrade { to } => Some((to, *probability)),
            _ => None,
        }
    }

    /// The scores in `[0, 10]` of every recorded evaluator for the answer of recorded node `model` to the task at
    /// `position` in [`Network::tasks`].
    #[inline]
    #[must_use]
    pub fn scores(&self, position: usize, model: usize) -> &[f64] {
        let start = (position * self.recorded_nodes + model) * self.recorded_evaluators;
        &self.scores[start..start + self.recorded_evaluators]
    }
}

/// By recorded node of a role: its mean latency over `tasks`, positions in the dataset, in milliseconds.
pub(crate) fn recorded_latencies(dataset: &Dataset, role: Role, tasks: &[usize]) -> Vec<f64> {
    let nodes = dataset.inference_nodes();
    match role {
        Role::Inference => {
            (0..nodes).map(|node| mean(tasks.iter().map(|&task| dataset.output(task, node).latency_ms))).collect()
        }
        Role::Evaluator => (0..dataset.evaluators())
            .map(|evaluator| {
                let of_task = |&task| (0..nodes).map(move |node| dataset.score(task, node, evaluator).latency_ms);
                mean(tasks.iter().flat_map(of_task))
            })
            .collect(),
    }
}

/// The mean latency that `instance` reports, and its true one, where the recorded nodes of its role have these.
fn latency(instance: &Instance, scenario: &Scenario, conducts: &[Conduct], recorded_ms: &[f64]) -> [f64; 2] {
    let honest_ms = recorded_ms[instance.model] * instance.latency_factor;
    let attacking = |attack: usize| {
        let (kind, conduct) = (&scenario.attacks[attack].kind, &conducts[attack]);
        attackers_latency(honest_ms, instance.latency_factor, kind, conduct, recorded_ms)
    };
    instance.attack.map_or([honest_ms; 2], attacking)
}

impl Scenario {
    /// This scenario as it runs on `dataset`, and a line about what was chosen for it: a K that nobody set is as large
    /// as the pool of evaluators, up to 3.
    ///
    /// # Errors
    /// If the scenario does not fit the dataset.
    pub fn fitted(&self, dataset: &Dataset) -> Result<(Self, Option<String>), ScenarioError> {
        let pool = Network::new(dataset, self)?.evaluators.len();
        let evaluators_per_round = self.k_for(pool)?;
        let line = (evaluators_per_round != self.evaluators_per_round).then(|| {
            format!(
                "evaluators_per_round is {evaluators_per_round}: nobody set it, and the pool has {pool} (by default \
                 {DEFAULT_K})"
            )
        });
        Ok((Self { evaluators_per_round, ..self.clone() }, line))
    }
}

/// An evaluator's normalisation and its range of raw values.
type Normalization = (ScoreNormalization, (f64, f64));

/// By recorded evaluator.
fn normalizations(dataset: &Dataset, scenario: &Scenario) -> Result<Vec<Normalization>, ScenarioError> {
    let entries = &dataset.manifest.evaluators;
    for id in scenario.score_normalization.keys() {
        if !entries.iter().any(|entry| entry.id == *id) {
            let allowed: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
            let message = format!("`{id}` is unknown; allowed: {}", allowed.join(", "));
            return Err(ScenarioError::new(format!("score_normalization.{id}"), message));
        }
    }
    Ok(entries
        .iter()
        .enumerate()
        .map(|(evaluator, entry)| {
            let normalization = scenario.score_normalization.get(&entry.id).copied().unwrap_or(entry.normalization);
            (normalization, dataset.raw_range(evaluator))
        })
        .collect())
}

/// The instances of `groups`, before their latencies and costs; one of each id in `by_default` where there is no group.
fn expand(
    path: &str,
    groups: &[Group],
    recorded: &[&str],
    allowed: &[&str],
    by_default: &[&str],
) -> Result<Vec<Instance>, ScenarioError> {
    let defaults: Vec<Group> = by_default
        .iter()
        .map(|&id| Group { model: id.to_owned(), count: 1, latency_factor: 1.0, score_noise_sd: 0.0, stake: 1.0 })
        .collect();
    let groups = if groups.is_empty() { &defaults } else { groups };
    let mut models = Vec::with_capacity(groups.len());
    let mut totals = vec![0_u32; recorded.len()];
    for (index, group) in groups.iter().enumerate() {
        // A judge is recorded and not allowed: its scores never pay.
        let model = recorded.iter().position(|&id| id == group.model && allowed.contains(&id)).ok_or_else(|| {
            let message = format!("`{}` is unknown; allowed: {}", group.model, allowed.join(", "));
            ScenarioError::new(format!("{path}.{index}.model"), message)
        })?;
        models.push(model);
        totals[model] += group.count;
    }
    let mut named = vec![0_u32; recorded.len()];
    let mut instances = Vec::new();
    for (position, (group, &model)) in groups.iter().zip(&models).enumerate() {
        for _ in 0..group.count {
            named[model] += 1;
            let id = if totals[model] == 1 { group.model.clone() } else { format!("{}#{}", group.model, named[model]) };
            let Group { latency_factor, score_noise_sd, stake, .. } = *group;
            instances.push(Instance {
                id,
                model,
                group: position,
                latency_factor,
                score_noise_sd,
                stake,
                ..Instance::default()
            });
        }
    }
    if instances.is_empty() {
        return Err(ScenarioError::new(path, "no node takes part; at least one"));
    }
    // Only a recorded id with `#` can be that of an instance of another.
    if recorded.iter().any(|id| id.contains('#')) {
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = instances.iter().find(|instance| !seen.insert(instance.id.as_str())) {
            let message = format!(
                "two nodes would be called `{}`: a recorded node has the id of an instance of another; allowed: fewer instances",
                twice.id
            );
            return Err(ScenarioError::new(path, message));
        }
    }
    Ok(instances)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    if count > 0.0 { sum / count } else { 0.0 }
}
