//! What the worker of the papers' reproduction tells the page.

use poq_core::paper::{Claims, Figure, Number};
use serde::{Deserialize, Serialize};

/// One of the papers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Paper {
    /// arXiv 2512.16317.
    CostAware,
    /// arXiv 2601.21189.
    Robust,
}

/// From the worker to the page, in this order.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromStudy {
    /// The published figures of the first paper beside those measured on the dataset that is fitted to them.
    Figures {
        /// Digest of the run.
        digest: String,
        /// The figures.
        figures: Vec<Figure>,
        /// What the dataset is made of.
        profiles: Vec<Number>,
    },
    /// What becomes of a paper's claims on a dataset.
    Claims {
        /// Whose claims.
        paper: Paper,
        /// The claims.
        claims: Claims,
    },
    /// How far the runs of the second paper are.
    Progress {
        /// Runs done.
        done: usize,
        /// Of so many.
        of: usize,
    },
    /// All is told.
    Done,
    /// It could not go on, in words.
    Failed(String),
}
