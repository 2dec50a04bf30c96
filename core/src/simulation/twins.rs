//! A run beside the same run with every node honest, answer by answer.
//!
//! Attackers take what they leave to chance from a stream of their own: both runs draw the same tasks, nodes and
//! evaluators, and the same noise.

use crate::dataset::Dataset;
use crate::network::Network;
use crate::scenario::{InferenceDraw, Scenario, ScenarioError};

use super::tally::Series;
use super::{Scored, Simulation};

/// Rounds between two looks at the honest run: its scores are kept until then.
const STEP: u64 = 1024;

/// One answer, as it was scored in both runs.
pub(crate) struct TwinAnswer<'a> {
    /// From 0.
    pub round: u64,
    /// Position of the task in the dataset.
    pub task: usize,
    /// Position of the inference node in the network.
    pub node: usize,
    /// Position of the recorded node whose output was given.
    pub model: usize,
    /// The evaluators drawn, by position in the network.
    pub drawn: &'a [u32],
    /// What they gave.
    pub scores: &'a [f64],
    /// What they gave where nobody attacks.
    pub honest_scores: &'a [f64],
}

/// Both runs; the attackers' alone where nobody attacks.
#[derive(Debug)]
pub(crate) struct Twins {
    run: Simulation,
    honest: Option<Simulation>,
}

impl Twins {
    /// Before the first round.
    ///
    /// # Errors
    /// For a scenario that does not fit the dataset, and for one in which the past decides who takes part: then the
    /// draws of both runs would differ.
    pub(crate) fn new(dataset: &Dataset, scenario: &Scenario) -> Result<Self, ScenarioError> {
        if scenario.staking.is_some() {
            return Err(ScenarioError::new("staking", "stakes at risk decide who is heard; allowed: null"));
        }
        if matches!(scenario.inference_draw, InferenceDraw::Softmax { .. }) {
            return Err(ScenarioError::new("inference_draw", "rewards decide who answers; allowed: uniform, all"));
        }
        let honest = (!scenario.attacks.is_empty()).then(|| Scenario { attacks: Vec::new(), ..scenario.clone() });
        Ok(Self {
            run: without_series(dataset, scenario)?,
            honest: honest.map(|honest| without_series(dataset, &honest)).transpose()?,
        })
    }

    /// The network with its attackers.
    pub(crate) fn network(&self) -> &Network {
        &self.run.network
    }

    /// Plays all rounds; `each` sees every answer.
    pub(crate) fn play(&mut self, each: &mut impl FnMut(&TwinAnswer<'_>)) {
        let Self { run, honest, .. } = self;
        let tasks = run.network.tasks.clone();
        let mut kept: Vec<f64> = Vec::new();
        while run.rounds_left() > 0 {
            let until = run.scenario.rounds.min(run.rounds_done + STEP);
            if let Some(honest) = honest {
                kept.clear();
                while honest.rounds_done < until {
                    honest.play::<0, false>(until, &mut |answer| kept.extend_from_slice(answer.scores));
                }
            }
            let mut rest = &*kept;
            while run.rounds_done < until {
                run.play::<0, false>(until, &mut |answer| {
                    let Scored { round, task, node, model, drawn, scores, .. } = *answer;
                    let honest_scores = match rest.split_at_checked(scores.len()) {
                        Some((own, after)) if honest.is_some() => {
                            rest = after;
                            own
                        }
                        _ => scores,
                    };
                    each(&TwinAnswer { round, task: tasks[task], node, model, drawn, scores, honest_scores });
                });
            }
        }
    }
}

/// A run without the running means of a report's plots, which would take as long as the rest of it.
fn without_series(dataset: &Dataset, scenario: &Scenario) -> Result<Simulation, ScenarioError> {
    let run = Simulation::without_gains(dataset, scenario)?;
    Ok(Simulation { series: Series::none(), ..run })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper;
    use serde_json::json;

    /// Without the attack's points, what the attackers gave is what they would have given; the others gave it anyway.
    #[test]
    fn both_runs_draw_the_same() {
        let dataset = paper::dataset();
        for draw in ["uniform", "all"] {
            let scenario = Scenario::from_patch(&json!({
                "rounds": 2500,
                "inference_draw": draw,
                "network": {"evaluators": [{"model": "ce-deberta", "count": 4, "score_noise_sd": 0.2}]},
                "attacks": [{"nodes": ["ce-deberta#2"], "kind": "sabotage", "by": 0.5}],
            }))
            .expect("valid");
            let mut twins = Twins::new(&dataset, &scenario).expect("fits");
            let (mut answers, mut attacked) = (0, 0);
            twins.play(&mut |answer| {
                answers += 1;
                for ((&evaluator, &score), &honest) in answer.drawn.iter().zip(answer.scores).zip(answer.honest_scores)
                {
                    let by = if evaluator == 1 { 0.5 } else { 0.0 };
                    attacked += u32::from(evaluator == 1);
                    assert!((honest - by - score).abs() < 1e-12, "{} {honest} {score}", answer.round);
                }
            });
            assert_eq!(answers, if draw == "all" { 12_500 } else { 2500 });
            assert!(attacked > answers / 2, "{attacked} of {answers}");
        }
    }

    #[test]
    fn a_run_whose_past_decides_who_takes_part_has_no_twin() {
        let dataset = paper::dataset();
        for (patch, path) in
            [(json!({"staking": {}}), "staking"), (json!({"inference_draw": "softmax"}), "inference_draw")]
        {
            let scenario = Scenario::from_patch(&patch).expect("valid");
            assert_eq!(Twins::new(&dataset, &scenario).expect_err("must be refused").path, path);
        }
    }
}
