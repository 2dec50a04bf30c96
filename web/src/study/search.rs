//! What attacks gain at best.

use poq_core::attack::{Attack, Attackers, Kind};
use poq_core::dataset::Dataset;
use poq_core::scenario::ScenarioError;
use poq_core::search::{
    Aim, Equilibrium, Finding, Gain, Search, Settings, Stage, Verdict, equilibrium, largest, words_of_scopes,
};

use super::sheet::{self, Block, Drawn, Measure, Opens, Sheet, Table};
use super::{On, Tell, run_all};
use crate::attacks::NUMBERS;
use crate::format;
use crate::plot::intervals::{Row, sort};

const MORE: &str = "Gains are means over fresh seeds that the search had not seen, each at all rounds, beside the \
                    same draws with these nodes honest. “Beyond chance” holds at 5% for all of them together (Holm’s \
                    correction). Other attacks than those tried may gain more.";

/// The attack of up to `budget` evaluators that gains most.
pub(super) fn attacks(on: On, budget: u32, tell: &impl Tell) -> Result<Sheet, ScenarioError> {
    let settings = Settings::default();
    let search = Search::attacks(on.scenario.clone(), on.dataset, budget, settings)?;
    let findings = found(search, on.dataset, tell)?;
    let headline = match findings.first() {
        None => "There is no attack to try.".to_owned(),
        Some(finding) => {
            let who = format::counted(u64::from(budget), "evaluator", "evaluators");
            let most = if budget > 1 { "up to " } else { "" };
            let best = findings.get(1).filter(|cabal| cabal.verdict == Verdict::Pays).map(|cabal| {
                format!(
                    " As a cabal, together with its inference node, the best found is {}: {} a round.",
                    told(on, &cabal.attack),
                    gain_words(cabal.aimed_at())
                )
            });
            let all = finding.by_size.last().filter(|all| all.attack != finding.attack).map(|all| {
                format!(
                    " The best of all {budget} is {}: {} each time one of them is paid.",
                    told(on, &all.attack),
                    gain_words(all.gain)
                )
            });
            format!(
                "The best that {most}{who} found for themselves: {}, for a gain of {} each time one of them is paid; {}.{}{}",
                told(on, &finding.attack),
                gain_words(finding.gain),
                finding.verdict.words(),
                all.unwrap_or_default(),
                best.unwrap_or_default()
            )
        }
    };
    Ok(laid_out(on, "Gain of the best attacks found", headline, &findings))
}

/// Each node's best deviation from honesty.
pub(super) fn deviations(on: On, tell: &impl Tell) -> Result<Sheet, ScenarioError> {
    let search = Search::deviations(on.scenario.clone(), on.dataset, Settings::default())?;
    let findings = found(search, on.dataset, tell)?;
    let counted = |nodes: u32| format::counted(u64::from(nodes), "node", "nodes");
    let headline = match equilibrium(&findings).zip(largest(&findings)) {
        None => "There is no honest node that could deviate.".to_owned(),
        Some((Equilibrium::Held, _)) => {
            "No deviation that was tried pays its node, false reports of latency among them: within this family, for \
             these prompts, honesty is an equilibrium."
                .to_owned()
        }
        Some((Equilibrium::Open { nodes }, _)) => format!(
            "Cannot tell whether honesty is an equilibrium: no deviation pays beyond chance, but for {} a gain is \
             not excluded either.",
            counted(nodes)
        ),
        Some((Equilibrium::Broken { nodes }, most)) => {
            let others = largest(findings.iter().filter(|finding| finding.aim != Aim::FalseReport));
            let others = others.filter(|_| most.aim == Aim::FalseReport).map(|other| {
                format!(" False reports apart it is {}, for {}.", gain_words(other.gain), told(on, &other.attack))
            });
            format!(
                "Honesty is no equilibrium: {} would gain alone, beyond chance. The largest gain found is {} each \
                 time it is paid, for {}: so far, at least, is the mechanism from an equilibrium.{}",
                counted(nodes),
                gain_words(most.gain),
                told(on, &most.attack),
                others.unwrap_or_default()
            )
        }
    };
    Ok(laid_out(on, "What each node would gain alone", headline, &findings))
}

fn found(mut search: Search, dataset: &Dataset, tell: &impl Tell) -> Result<Vec<Finding>, ScenarioError> {
    loop {
        let what = match search.stage() {
            Stage::Screening => "runs that screen attacks",
            Stage::Exchanging => "runs with other attackers",
            Stage::Refining => "runs around the best",
            Stage::Comparing => "runs that compare the best few",
            Stage::Confirming => "runs that confirm them on fresh seeds",
        };
        let rounds = if search.runs() == 0 { 1 } else { search.scenario(0).rounds };
        let measures = run_all(what, search.runs(), rounds, tell, |run| search.run(dataset, run))?;
        if let Some(findings) = search.advance(&measures) {
            return Ok(findings);
        }
    }
}

fn laid_out(on: On, heading: &str, headline: String, findings: &[Finding]) -> Sheet {
    let group = |title: &str, is_in: fn(Aim) -> bool| {
        let mut rows: Vec<Row> =
            findings.iter().filter(|finding| is_in(finding.aim)).map(|finding| row(on, finding)).collect();
        sort(&mut rows);
        (title.to_owned(), rows)
    };
    let groups = [
        group("Attackers, each time they are paid", |aim| aim == Aim::Attackers),
        group("Cabal and its node together, each round", |aim| aim == Aim::OwnNode),
        group("A false report of latency, each time it is paid", |aim| aim == Aim::FalseReport),
    ];
    let drawn = Drawn {
        heading: heading.to_owned(),
        caption: "Right of 0 it pays. The bar is the 95% interval for the luck of the draws, given these prompts."
            .to_owned(),
        axis: "gain".to_owned(),
        measure: Measure {
            counted: ["run on a fresh seed", "runs on fresh seeds"].map(str::to_owned),
            prompts: String::new(),
            ..Measure::paid("gain")
        },
        groups: groups.into_iter().filter(|(_, rows)| !rows.is_empty()).collect(),
        table: table(on, findings),
    };
    let mut blocks = vec![Block::Headline(headline)];
    if !findings.is_empty() {
        blocks.push(Block::Drawing(Box::new(drawn)));
        if findings.iter().any(|finding| !finding.by_size.is_empty()) {
            blocks.push(Block::Table(sizes(on, findings)));
        }
        blocks.push(Block::List(words_of_scopes(findings)));
        blocks.push(Block::Words(MORE.to_owned()));
    }
    Sheet { blocks, json: sheet::json(&findings) }
}

fn gain_words(gain: Option<Gain>) -> String {
    gain.map_or_else(
        || "an amount that is not known, as nobody was paid,".to_owned(),
        |gain| {
            let [low, high] = gain.ci95_monte_carlo.map(format::number);
            format!("{} ({low} to {high})", format::number(gain.mean))
        },
    )
}

/// How many nodes a finding stands for besides the one that it names.
fn alike(finding: &Finding) -> String {
    match finding.alike {
        1 => String::new(),
        nodes => format!(" (and {} alike)", nodes - 1),
    }
}

fn told_of(on: On, finding: &Finding) -> String {
    format!("{}{}: {}", who(on, &finding.attack), alike(finding), kind_words(on, &finding.attack.kind))
}

fn row(on: On, finding: &Finding) -> Row {
    let gain = finding.aimed_at();
    Row {
        name: told_of(on, finding),
        mean: gain.map(|gain| gain.mean),
        monte_carlo: gain.map(|gain| gain.ci95_monte_carlo),
        prompts: None,
        rounds: u64::from(Settings::default().replicates),
        break_even: None,
    }
}

fn table(on: On, findings: &[Finding]) -> Table {
    let mut table = Table::new(
        "Opened, each is the scenario with that attack",
        &["who", "~attack", "gain", "95%, luck of the draws", "~verdict"],
    );
    for finding in findings {
        let gain = finding.aimed_at();
        table.rows.push(vec![
            who(on, &finding.attack) + &alike(finding),
            kind_words(on, &finding.attack.kind),
            gain.map_or_else(|| "never paid".to_owned(), |gain| format::number(gain.mean)),
            gain.map_or_else(|| "–".to_owned(), |gain| format::interval(Some(gain.ci95_monte_carlo), 0)),
            finding.verdict.words().to_owned(),
        ]);
        table.opens.push(Some(Opens {
            words: format!("With an attack: {}", told(on, &finding.attack)),
            scenario: finding.scenario.clone(),
        }));
    }
    table
}

/// The best of each number of attackers.
fn sizes(on: On, findings: &[Finding]) -> Table {
    let mut table = Table::new(
        "The best of so many attackers",
        &["attackers", "~who", "~attack", "gain, each time one is paid", "gain together, each round"],
    );
    let told = |gain: Option<Gain>| gain.map_or_else(|| "never paid".to_owned(), |gain| format::number(gain.mean));
    for finding in findings {
        for of in &finding.by_size {
            let together = if finding.aim == Aim::OwnNode { of.coalition_gain } else { of.gain_together };
            table.rows.push(vec![
                format::count(u64::from(of.attackers)),
                who(on, &of.attack),
                kind_words(on, &of.attack.kind),
                told(of.gain),
                told(together),
            ]);
        }
    }
    table
}

/// Who attacks, by the names of nodes.
fn who(on: On, attack: &Attack) -> String {
    match &attack.nodes {
        Attackers::Named(ids) => ids.iter().map(|id| named(on, id)).collect::<Vec<_>>().join(", "),
        Attackers::Share { share } => format!("{} of them", format::percent(*share)),
    }
}

/// The name of an instance.
pub(super) fn named(on: On, id: &str) -> String {
    let model = id.rsplit_once('#').map_or(id, |(model, _)| model);
    on.summary.instance_name(model, id)
}

/// An attack in words: who does what.
fn told(on: On, attack: &Attack) -> String {
    format!("{}: {}", who(on, attack), kind_words(on, &attack.kind))
}

fn kind_words(on: On, kind: &Kind) -> String {
    let (kind, probability) = match kind {
        Kind::Intermittent { probability, attack } => (&**attack, Some(*probability)),
        kind => (kind, None),
    };
    let value = serde_json::to_value(kind).unwrap_or_default();
    let mut words = value["kind"].as_str().unwrap_or_default().replace('_', " ");
    let numbers = NUMBERS.iter().filter_map(|(name, label)| Some((label, value.get(*name)?.as_f64()?)));
    for (label, number) in numbers {
        let number = format::plain(number);
        words.push_str(&match label.strip_prefix('×') {
            Some(of) => format!(", {number} ×{of}"),
            None => format!(", {number} {label}"),
        });
    }
    if let Kind::Cabal { own, .. } = kind {
        let own: Vec<String> = own.iter().map(|id| named(on, id)).collect();
        words.push_str(&format!(", for {}", own.join(", ")));
    }
    if let Kind::Downgrade { to } = kind {
        words.push_str(&format!(" to {}", on.summary.name_of(to)));
    }
    match probability {
        Some(probability) => format!("{words}, {} of the time", format::percent(probability)),
        None => words,
    }
}
