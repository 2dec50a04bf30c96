//! Studies: what the second program finds out when it is asked, in a worker of its own: several runs of a scenario and
//! what follows from them, and the papers' reproduction.
//!
//! An answer is laid out where it is found, as a [`Sheet`] of words, drawings and tables, so that the page need not
//! hold what each study is made of.

pub mod audit;
pub mod compare;
pub mod reproduce;
pub mod search;
pub mod sensitivity;
pub mod sheet;

use poq_core::scenario::{Network, ScenarioError};
use poq_core::{Dataset, Scenario};
use serde::{Deserialize, Serialize};

use sheet::Block;
pub use sheet::Sheet;

use crate::format;
use crate::protocol::{Chosen, Summary};

/// Nodes of a network at most: a study tells of each.
const MAX_NODES: u64 = 2000;
/// Rounds between two messages of progress, in about.
const ROUNDS_BETWEEN: u64 = 100_000;

/// To the worker: one at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToStudy {
    /// Reproduce the papers.
    Reproduce,
    /// Answer a question.
    Ask(Box<Question>),
}

/// What is asked of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The scenario.
    pub scenario: Scenario,
    /// What is asked of it.
    pub about: About,
    /// The dataset, where its preset has none of its own.
    pub chosen: Chosen,
}

/// What can be asked of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum About {
    /// What another mechanism, the same scenario with some fields set, pays more or less.
    Compare {
        /// Paths and values, as `--set` takes them.
        changes: Vec<(String, String)>,
    },
    /// The attack of so many evaluators that gains most.
    Attacks {
        /// How many.
        budget: u32,
    },
    /// Each node's best deviation from honesty.
    Deviations,
    /// What the mechanism does without each of its evaluators.
    Audit,
    /// Which assumption matters.
    Sensitivity {
        /// For which number, as `poq sensitivity --output` takes it.
        output: String,
        /// Whether the parameters of the scenario's rule are varied, not the rule.
        parameters: bool,
    },
}

/// From the worker to the page.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromStudy {
    /// The worker listens.
    Ready,
    /// More of the reproduction.
    More(Vec<Block>),
    /// The answer to a question.
    Answer(Box<Sheet>),
    /// How far it is.
    Progress(Progress),
    /// The reproduction is whole; what is to be said of it.
    Done(String),
    /// It could not go on, in words.
    Failed(String),
}

/// How far a study is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is counted, such as `runs`.
    pub what: String,
    /// Done.
    pub done: u64,
    /// Of so many, in this stage.
    pub of: u64,
}

/// How a study tells how far it is; what it is told may be dropped.
pub trait Tell {
    /// So far.
    fn progress(&self, what: &str, done: u64, of: u64);
}

impl<F: Fn(&FromStudy)> Tell for F {
    fn progress(&self, what: &str, done: u64, of: u64) {
        self(&FromStudy::Progress(Progress { what: what.to_owned(), done, of }));
    }
}

impl Question {
    /// Its answer on `dataset`.
    ///
    /// # Errors
    /// For a scenario that does not fit the dataset, and for what the study in question refuses.
    pub fn answer(&self, dataset: &Dataset, tell: &impl Tell) -> Result<Sheet, ScenarioError> {
        let summary = Summary::of(dataset);
        let on = On { dataset, summary: &summary, scenario: &self.scenario };
        match &self.about {
            About::Compare { changes } => compare::answer(on, changes, tell),
            About::Attacks { budget } => search::attacks(on, *budget, tell),
            About::Deviations => search::deviations(on, tell),
            About::Audit => audit::answer(on, tell),
            About::Sensitivity { output, parameters } => sensitivity::answer(on, output, *parameters, tell),
        }
    }

    /// Refuses a network of more nodes than a page tells of one by one; `recorded` are the inference nodes and the
    /// evaluators of a network that names none.
    ///
    /// # Errors
    /// For more than 2,000 nodes, and a change that cannot be.
    pub fn check_size(&self, recorded: [usize; 2]) -> Result<(), ScenarioError> {
        let other = match &self.about {
            About::Compare { changes } => Some(compare::changed(&self.scenario, changes)?),
            _ => None,
        };
        for scenario in [Some(&self.scenario), other.as_ref()].into_iter().flatten() {
            let Network { inference, evaluators } = &scenario.network;
            let nodes =
                crate::groups::instances(inference, recorded[0]) + crate::groups::instances(evaluators, recorded[1]);
            if nodes > MAX_NODES {
                let [nodes, most] = [nodes, MAX_NODES].map(format::count);
                let message = format!("{nodes} nodes; studies in the page take up to {most}, those of `poq` take more");
                return Err(ScenarioError { path: "network".to_owned(), message });
            }
        }
        Ok(())
    }

    /// The command that answers it in a terminal.
    #[must_use]
    pub fn command(&self) -> String {
        use crate::export::study_command;
        let given = match &self.about {
            About::Compare { changes } => {
                let changes = changes.iter().map(|(path, value)| format!("--change={path}={value}"));
                return study_command("compare", &self.scenario, changes);
            }
            About::Attacks { budget } => {
                return study_command("search", &self.scenario, [format!("--budget={budget}")]);
            }
            About::Deviations => return study_command("search", &self.scenario, ["--deviations".to_owned()]),
            About::Audit => return study_command("audit", &self.scenario, []),
            About::Sensitivity { output, parameters } => {
                [Some(format!("--output={output}")), parameters.then(|| "--parameters".to_owned())]
            }
        };
        study_command("sensitivity", &self.scenario, given.into_iter().flatten())
    }
}

/// What a study stands on.
#[derive(Clone, Copy, Debug)]
pub struct On<'a> {
    /// The recorded outputs.
    pub dataset: &'a Dataset,
    /// What the page knows of them.
    pub summary: &'a Summary,
    /// The scenario in question.
    pub scenario: &'a Scenario,
}

/// Runs every run of a stage in order; says how far it is every [`ROUNDS_BETWEEN`] rounds.
fn run_all<T>(
    what: &str,
    runs: usize,
    rounds: u64,
    tell: &impl Tell,
    run: impl Fn(usize) -> Result<T, ScenarioError>,
) -> Result<Vec<T>, ScenarioError> {
    let step = usize::try_from(ROUNDS_BETWEEN / rounds.max(1)).unwrap_or(usize::MAX).max(1);
    let mut out = Vec::with_capacity(runs);
    for number in 0..runs {
        if number % step == 0 {
            tell.progress(what, number as u64, runs as u64);
        }
        out.push(run(number)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(scenario: &str, about: About) -> Result<Sheet, ScenarioError> {
        let question =
            Question { scenario: Scenario::from_json(scenario).expect("valid"), about, chosen: Chosen::default() };
        question.answer(&crate::fixture::dataset(), &|_: &FromStudy| ())
    }

    fn compare(path: &str, value: &str) -> About {
        About::Compare { changes: vec![(path.to_owned(), value.to_owned())] }
    }

    fn headline(sheet: &Sheet) -> &str {
        match &sheet.blocks[0] {
            Block::Headline(words) => words,
            other => panic!("{other:?} comes first"),
        }
    }

    fn drawn(sheet: &Sheet) -> &sheet::Drawn {
        let drawing =
            sheet.blocks.iter().find_map(|block| if let Block::Drawing(drawn) = block { Some(drawn) } else { None });
        drawing.expect("a drawing")
    }

    #[test]
    fn two_mechanisms_are_told_by_the_names_of_nodes() {
        let sheet = answer(r#"{"rounds": 400}"#, compare("reward.alpha_inference", "0.5")).expect("an answer");
        let words = headline(&sheet);
        assert!(
            words.starts_with(
                "With reward.alpha_inference = 0.5, of 5 nodes, 1 is paid differently, 3 the same, and 1 not settled."
            ),
            "{words}"
        );
        let drawn = drawn(&sheet);
        // Half the weight pays inference nodes less, and evaluators the same.
        assert!(drawn.groups[0].1.iter().all(|row| row.name.ends_with(" node") && row.mean < Some(0.0)), "{drawn:?}");
        assert!(drawn.groups[1].1.iter().all(|row| row.mean == Some(0.0)), "{drawn:?}");
        assert_eq!(drawn.table.rows.len(), 5);
        assert!(sheet.json.contains("rounds_to_settle"));
        let equal = answer(r#"{"rounds": 400}"#, compare("reward.alpha_evaluator", "1.0")).expect("an answer");
        assert!(headline(&equal).ends_with("every node is paid the same."), "{}", headline(&equal));
        let many = compare("network.inference", r#"[{"model": "quick", "count": 5000}]"#);
        let many =
            Question { scenario: Scenario::default(), about: many, chosen: Chosen::default() }.check_size([2, 3]);
        assert!(many.is_err_and(|error| error.message.starts_with("5,003 nodes")));
    }

    #[test]
    fn an_attack_that_was_found_opens_as_a_scenario() {
        let sheet = answer(r#"{"rounds": 300}"#, About::Attacks { budget: 1 }).expect("an answer");
        assert!(headline(&sheet).starts_with("The best that 1 evaluator found"), "{}", headline(&sheet));
        let table = &drawn(&sheet).table;
        assert!(!table.rows.is_empty() && table.rows.len() == table.opens.len());
        assert!(table.opens.iter().flatten().all(|opens| opens.scenario.attacks.len() == 1));
        let error = answer("{}", About::Attacks { budget: 9 }).expect_err("only three evaluators");
        assert_eq!(error.path, "budget");
    }

    #[test]
    fn deviations_say_how_far_it_is_from_an_equilibrium() {
        let sheet = answer(r#"{"rounds": 300}"#, About::Deviations).expect("an answer");
        let words = headline(&sheet);
        assert!(words.contains("equilibrium") && drawn(&sheet).groups.len() == 2, "{words}");
        let scopes =
            sheet.blocks.iter().find_map(|block| if let Block::List(list) = block { Some(list) } else { None });
        let scopes = scopes.expect("what was tried");
        // Evaluators, answers of another node, and false reports.
        assert!(scopes.len() == 3 && scopes.iter().all(|words| words.contains("Held fixed")), "{scopes:?}");
    }

    #[test]
    fn each_evaluator_is_left_out_in_turn() {
        let sheet = answer(r#"{"rounds": 300, "evaluators_per_round": 3}"#, About::Audit).expect("an answer");
        let drawn = drawn(&sheet);
        assert_eq!((drawn.groups[0].1.len(), drawn.table.rows.len()), (3, 3));
        let opens: Vec<_> = drawn.table.opens.iter().flatten().collect();
        assert!(opens.len() == 3 && opens.iter().all(|opens| opens.scenario.evaluators_per_round == 2));
        let Block::List(sentences) = &sheet.blocks[2] else { panic!("{:?}", sheet.blocks[2]) };
        assert!(sentences[0].starts_with("Without Near "), "{sentences:?}");
        assert_eq!(sentences[1], "Without Near: evaluators_per_round is 2 in place of 3.");
        let alone = answer(
            r#"{"rounds": 50, "evaluators_per_round": 1, "network": {"evaluators": [{"model": "odd"}]}}"#,
            About::Audit,
        );
        let alone = alone.expect("an answer");
        assert!(headline(&alone).starts_with("Of no evaluator"), "{}", headline(&alone));
    }

    #[test]
    fn assumptions_are_ranked_by_what_they_do() {
        let about = |output: &str| About::Sensitivity { output: output.to_owned(), parameters: false };
        let sheet = answer(r#"{"rounds": 50}"#, about("reward_mean:inference:quick")).expect("an answer");
        assert!(headline(&sheet).contains("most of those tried"), "{}", headline(&sheet));
        let table = &drawn(&sheet).table;
        assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
        let tried: Vec<&str> = table.rows.iter().filter_map(|row| row.last()).map(String::as_str).collect();
        assert!(
            tried.contains(&"1, 2, 3") && tried.iter().any(|of| of.starts_with("unit, sigmoid, min_max, ten")),
            "{tried:?}"
        );
        let rows = &drawn(&sheet).groups[0].1;
        let names: Vec<_> = rows.iter().map(|row| &row.name[..]).collect();
        assert!(
            ["α quality", "consensus rule", "normalisation of Near"].iter().all(|name| names.contains(name)),
            "{names:?}"
        );
        assert!(rows.windows(2).all(|pair| pair[0].mean >= pair[1].mean), "{rows:?}");
        assert!(answer("{}", about("nonsense")).is_err());
    }

    #[test]
    fn a_study_says_how_far_it_is() {
        let question =
            Question { scenario: Scenario::default(), about: About::Attacks { budget: 1 }, chosen: Chosen::default() };
        let told = std::cell::RefCell::new(Vec::new());
        let tell = |message: &FromStudy| {
            if let FromStudy::Progress(Progress { what, done, of }) = message {
                told.borrow_mut().push((what.clone(), *done, *of));
            }
        };
        question.answer(&crate::fixture::dataset(), &tell).expect("an answer");
        let told = told.into_inner();
        assert!(told.len() > 3 && told.iter().all(|(_, done, of)| done < of), "{told:?}");
        assert!(told.last().is_some_and(|(what, ..)| what.contains("fresh seeds")), "{told:?}");
    }

    #[test]
    fn every_question_has_its_command() {
        let command = |about| Question { scenario: Scenario::default(), about, chosen: Chosen::default() }.command();
        assert_eq!(
            command(About::Compare { changes: vec![("consensus.rule".to_owned(), "median".to_owned())] }),
            "poq compare --seed 42 --rounds 5000 --change=consensus.rule=median"
        );
        assert_eq!(command(About::Attacks { budget: 2 }), "poq search --seed 42 --rounds 5000 --budget=2");
        assert_eq!(command(About::Deviations), "poq search --seed 42 --rounds 5000 --deviations");
        assert_eq!(
            command(About::Sensitivity { output: "reward_mean:inference:a b".to_owned(), parameters: true }),
            "poq sensitivity --seed 42 --rounds 5000 '--output=reward_mean:inference:a b' --parameters"
        );
    }
}
