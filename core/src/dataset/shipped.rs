//! The datasets that come with the program, side by side: a result made on an older one can be made again.

use serde::{Deserialize, Serialize};

/// A dataset that comes with the program. Its files are for shells to find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shipped {
    /// Four language models of 135M to 1.5B parameters.
    #[default]
    #[serde(rename = "poq-lab-2")]
    PoqLab2,
    /// One language model of 135M parameters in three guises.
    #[serde(rename = "poq-lab-1")]
    PoqLab1,
}

impl Shipped {
    /// Every one, newest first.
    pub const ALL: [Self; 2] = [Self::PoqLab2, Self::PoqLab1];

    /// Its id.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::PoqLab2 => "poq-lab-2",
            Self::PoqLab1 => "poq-lab-1",
        }
    }

    /// What is recorded in it, in a sentence.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::PoqLab2 => "Four language models of 135M to 1.5B parameters.",
            Self::PoqLab1 => "One language model of 135M parameters in three guises.",
        }
    }

    /// The one of that id, if there is one.
    #[must_use]
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shipped| shipped.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_and_written_by_its_id() {
        for shipped in Shipped::ALL {
            assert_eq!(Shipped::of(shipped.id()), Some(shipped));
            assert_eq!(serde_json::to_value(shipped).expect("plain data"), shipped.id());
        }
        assert_eq!((Shipped::of("poq-lab-0"), Shipped::ALL[0]), (None, Shipped::default()));
    }
}
