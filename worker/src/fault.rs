//! What can go wrong, by whose fault it is: the exit code of `poq` says which.

use std::fmt;

use poq_core::json::with_nearest;

use crate::words::so_many;

/// A failed command.
#[derive(Debug)]
pub enum Fault {
    /// A fault of the environment (disk, network, a missing program), worth a retry: exit code 1.
    Environment(anyhow::Error),
    /// Bad input or usage: exit code 2.
    Input(anyhow::Error),
    /// Some rows failed, the others are done: exit code 3.
    Rows {
        /// How many rows failed; each was named when it did.
        failed: usize,
    },
    /// Assertions of `check` that do not hold: exit code 100.
    Assertions {
        /// How many; each was named.
        failed: usize,
        /// Of how many.
        all: usize,
    },
    /// The replay of a link gave another result than the link says, in words: exit code 4.
    Differs(String),
    /// The result of a link cannot be compared with a run here, in words: exit code 5.
    NotComparable(String),
    /// Interrupted; rows, rounds and cells that were done are kept, half a study is not: exit code 130.
    Interrupted,
}

/// The exit codes, for `poq --help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    a fault of the environment, worth a retry; the reader of the data went away
  2    bad input or usage
  3    some rows failed; they are named
  4    link decode --replay: the result differs from the link's
  5    link decode --replay: the link's result cannot be compared with a run here
  100  an assertion of check does not hold
  130  interrupted; rows, rounds and cells that were done are kept, half a study is not";

impl Fault {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Environment(_) => 1,
            Self::Input(_) => 2,
            Self::Rows { .. } => 3,
            Self::Differs(_) => 4,
            Self::NotComparable(_) => 5,
            Self::Assertions { .. } => 100,
            Self::Interrupted => 130,
        }
    }

    /// The same fault, with what it is about.
    pub fn of(self, what: impl fmt::Display) -> Self {
        match self {
            Self::Environment(error) => Self::Environment(error.context(what.to_string())),
            Self::Input(error) => Self::Input(error.context(what.to_string())),
            other => other,
        }
    }

    /// Bad input, in words.
    pub fn input(message: impl fmt::Display) -> Self {
        Self::Input(anyhow::anyhow!("{message}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(error) => write!(f, "{error:#}"),
            Self::Input(error) => f.write_str(&with_nearest(&format!("{error:#}"))),
            Self::Differs(words) | Self::NotComparable(words) => f.write_str(words),
            Self::Rows { failed } => write!(f, "{} failed; each is named above", so_many(*failed, "rows")),
            Self::Assertions { failed, all } => write!(f, "{failed} of {all} assertions do not hold"),
            Self::Interrupted => write!(f, "interrupted"),
        }
    }
}

/// The result of a command.
pub type Outcome<T = ()> = Result<T, Fault>;

/// Says whose fault an error is, and what was being done.
pub trait Blame<T> {
    /// A fault of the environment.
    fn environment(self, doing: impl fmt::Display) -> Outcome<T>;
    /// A fault of the input.
    fn input(self, doing: impl fmt::Display) -> Outcome<T>;
}

impl<T, E: Into<anyhow::Error>> Blame<T> for Result<T, E> {
    fn environment(self, doing: impl fmt::Display) -> Outcome<T> {
        self.map_err(|error| Fault::Environment(error.into().context(doing.to_string())))
    }

    fn input(self, doing: impl fmt::Display) -> Outcome<T> {
        self.map_err(|error| Fault::Input(error.into().context(doing.to_string())))
    }
}

impl From<poq_core::scenario::ScenarioError> for Fault {
    fn from(error: poq_core::scenario::ScenarioError) -> Self {
        Self::Input(error.into())
    }
}

impl From<poq_core::link::LinkError> for Fault {
    fn from(error: poq_core::link::LinkError) -> Self {
        Self::Input(error.into())
    }
}

impl From<poq_models::ModelError> for Fault {
    fn from(error: poq_models::ModelError) -> Self {
        match error.blame() {
            poq_models::Blame::File | poq_models::Blame::Request => Self::Input(error.into()),
            poq_models::Blame::Device => Self::Environment(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use poq_models::ModelError;

    use super::Fault;

    #[test]
    fn a_device_that_fails_is_worth_a_retry_and_a_bad_file_is_not() {
        let code = |error: ModelError| Fault::from(error).exit_code();
        assert_eq!(code(ModelError::Device("lost".to_owned())), 1);
        assert_eq!(code(ModelError::TooLarge { tensor: "x".to_owned(), bytes: 2, most: 1 }), 1);
        assert_eq!(code(ModelError::WrongAnswer { seen: "1".to_owned(), expected: "2".to_owned() }), 1);
        assert_eq!(code(ModelError::MissingFile { file: "config.json".to_owned() }), 2);
        assert_eq!(code(ModelError::ChatTemplate("no users".to_owned())), 2);
        assert_eq!(code(ModelError::NotFinite("scores")), 2);
    }
}
