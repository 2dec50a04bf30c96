//! What is said once, after many rows went through a model.

use poq_models::{Blame, ModelError};

use crate::console::say;
use crate::fault::{Fault, Outcome};

/// Rows that are named at most; all are counted.
const NAMED: usize = 10;

/// What happened to rows of standard input.
#[derive(Default)]
pub struct Notices {
    /// Numbers of rows that were cut to fit the model.
    cut: Vec<usize>,
    /// A fault of the device, which is not the rows'.
    device: Option<Fault>,
}

impl Notices {
    /// A row was cut to fit the model.
    pub fn cut(&mut self, row: usize) {
        self.cut.push(row);
    }

    /// The words of a model's fault, for the row that met it.
    pub fn fault(&mut self, error: ModelError) -> String {
        let words = error.to_string();
        if error.blame() == Blame::Device && self.device.is_none() {
            self.device = Some(error.into());
        }
        words
    }

    /// Says what is to be said of `what` (a prompt, a text), which a model of so many `tokens` read, and ends as the
    /// rows did, or with the device's fault.
    pub fn finish(self, outcome: Outcome, what: &str, tokens: usize) -> Outcome {
        if let Some(words) = words(&self.cut, what, tokens) {
            say(format_args!("poq: {words}"));
        }
        self.device.map_or(outcome, Err)
    }
}

fn words(cut: &[usize], what: &str, tokens: usize) -> Option<String> {
    let named: Vec<String> = cut.iter().take(NAMED).map(usize::to_string).collect();
    let more = if cut.len() > NAMED { ", ..." } else { "" };
    let rows = match cut.len() {
        0 => return None,
        1 => format!("standard input row {}", named[0]),
        count => format!("{count} rows of standard input (row {}{more})", named.join(", ")),
    };
    Some(format!("{rows}: the {what} was cut to the model's {tokens} tokens"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_rows_are_counted_and_the_first_are_named() {
        assert_eq!(words(&[], "text", 8), None);
        assert_eq!(
            words(&[2], "text", 8).as_deref(),
            Some("standard input row 2: the text was cut to the model's 8 tokens")
        );
        let all: Vec<usize> = (1..=12).collect();
        let expected = "12 rows of standard input (row 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...): the text was cut to the model's 8 tokens";
        assert_eq!(words(&all, "text", 8).as_deref(), Some(expected));
    }

    #[test]
    fn a_device_that_fails_ends_the_command_and_a_bad_row_does_not() {
        let failed = || Err(Fault::Rows { failed: 1 });
        let mut notices = Notices::default();
        assert!(notices.fault(ModelError::Tokenizer("no".to_owned())).contains("no"));
        assert!(matches!(notices.finish(failed(), "text", 8), Err(Fault::Rows { failed: 1 })));
        let mut notices = Notices::default();
        notices.fault(ModelError::Device("lost".to_owned()));
        assert!(matches!(notices.finish(failed(), "text", 8), Err(Fault::Environment(_))));
    }
}
