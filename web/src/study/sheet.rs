//! What a study found, laid out: the page draws any sheet without knowing what it is about.

use poq_core::Scenario;
use serde::{Deserialize, Serialize};

use crate::plot::intervals::Row;

/// Blocks in the order in which they are read, and the same as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sheet {
    /// The blocks.
    pub blocks: Vec<Block>,
    /// What `poq` prints with `--json`.
    pub json: String,
}

/// A part of a sheet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Block {
    /// What is most worth knowing, in a sentence or two.
    Headline(String),
    /// Words below it, or between other blocks.
    Words(String),
    /// Sentences of equal rank.
    List(Vec<String>),
    /// Values with their intervals, drawn.
    Drawing(Box<Drawn>),
    /// A table of its own.
    Table(Table),
    /// A scenario that can be opened.
    Open(Box<Opens>),
    /// Heads what follows.
    Heading(String),
    /// Words that few will read.
    Quiet(String),
    /// What becomes of claims.
    Claims {
        /// Whose, on what.
        of: String,
        /// The claims.
        claims: Vec<Claim>,
    },
    /// A table under a line that unfolds it.
    Folded(String, Table),
}

/// What becomes of a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Its number in its paper.
    pub number: u32,
    /// Whether it holds, by sign and in words.
    pub verdict: String,
    /// What it says.
    pub statement: String,
    /// By how much.
    pub parts: Vec<String>,
    /// What speaks against it, or limits it.
    pub tensions: Vec<String>,
}

/// Values with their intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// Its heading.
    pub heading: String,
    /// How to read it.
    pub caption: String,
    /// What a value is, for the axis.
    pub axis: String,
    /// How its rows are told.
    pub measure: Measure,
    /// Rows by group.
    pub groups: Vec<(String, Vec<Row>)>,
    /// The same and more as a table.
    pub table: Table,
}

/// How a row of a drawing is put into words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// What the value is: `mean reward`.
    pub name: String,
    /// What it is a mean of, one and many: `payment`, `payments`.
    pub counted: [String; 2],
    /// What the thick interval is for: `the luck of the draws`; empty where there is none.
    pub monte_carlo: String,
    /// What the thin one is for; empty where there is none.
    pub prompts: String,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// What it is.
    pub caption: String,
    /// Headings of the columns, and whether their cells are words.
    pub columns: Vec<(String, bool)>,
    /// Cells of each row.
    pub rows: Vec<Vec<String>>,
    /// For each row its scenario, if it has one; nothing at all in a table without scenarios.
    pub opens: Vec<Option<Opens>>,
}

/// A scenario that can be opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opens {
    /// What it is, for the way back: `Mechanism B`.
    pub words: String,
    /// The scenario.
    pub scenario: Scenario,
}

impl Measure {
    /// What nodes are paid, over their payments.
    #[must_use]
    pub fn paid(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            counted: ["payment", "payments"].map(str::to_owned),
            monte_carlo: "the luck of the draws".to_owned(),
            prompts: "the choice of prompts".to_owned(),
        }
    }
}

impl Table {
    /// A table without rows; a column's heading that begins with `~` has words in its cells.
    #[must_use]
    pub fn new(caption: &str, columns: &[&str]) -> Self {
        let column = |heading: &&str| match heading.strip_prefix('~') {
            Some(words) => (words.to_owned(), true),
            None => ((*heading).to_owned(), false),
        };
        Self { caption: caption.to_owned(), columns: columns.iter().map(column).collect(), ..Self::default() }
    }
}

/// `value` as indented JSON.
pub(super) fn json(value: &impl Serialize) -> String {
    // Plain data always serialises.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
