//! Judges that were trained on parts of one dataset, in one folder: `training.json` says what each did not see, and
//! `fold-1/`, `fold-2/` and so on are cross encoders.

use serde::Deserialize;

use crate::error::{ModelError, Part, read_json};

/// Name of the record in a folder of cross-fitted judges, by which it is recognised; its hash stands for them all.
pub const CROSS_FITTED_RECORD: &str = "training.json";

/// A judge of such a folder, and what it did not see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldOut {
    /// Path of its folder within that of the record: it ends in `/`.
    pub folder: String,
    /// SHA-256 of each passage that it did not see.
    pub passages: Vec<String>,
    weights_sha256: String,
}

#[derive(Deserialize)]
struct Record {
    folds: Vec<Fold>,
}

#[derive(Deserialize)]
struct Fold {
    passages: Vec<String>,
    weights_sha256: String,
}

/// Name of a judge's folder within that of the record, counted from 1.
#[must_use]
pub fn fold_folder(number: usize) -> String {
    format!("fold-{number}")
}

impl HeldOut {
    /// The judges that a record names.
    ///
    /// # Errors
    /// A record that is damaged or names no judge.
    pub fn of(record: &[u8]) -> Result<Vec<Self>, ModelError> {
        let Record { folds } = read_json(Part::TrainingJson, record)?;
        if folds.is_empty() {
            return Err(ModelError::field(Part::TrainingJson, "folds", "empty", "one judge at least"));
        }
        let judge = |(index, Fold { passages, weights_sha256 })| Self {
            folder: format!("{}/", fold_folder(index + 1)),
            passages,
            weights_sha256,
        };
        Ok(folds.into_iter().enumerate().map(judge).collect())
    }

    /// Checks that a `model.safetensors` with this SHA-256 is the one that was trained.
    ///
    /// # Errors
    /// If the record says another.
    pub fn check(&self, found: &str) -> Result<(), ModelError> {
        if found == self.weights_sha256 {
            return Ok(());
        }
        let seen = format!("not the weights that were trained: their SHA-256 is {found}");
        let record = format!("{}, as in {CROSS_FITTED_RECORD}", self.weights_sha256);
        Err(ModelError::OtherWeights { file: format!("{}model.safetensors", self.folder), seen, record })
    }
}

#[cfg(test)]
mod tests {
    use super::HeldOut;
    use poq_core::dataset::sha256;

    #[test]
    fn a_judge_has_the_weights_that_the_record_names() {
        let record = format!(
            r#"{{"settings": {{}}, "folds": [{{"passages": ["a"], "weights_sha256": "{}", "kept": 1}},
                {{"passages": ["b", "c"], "weights_sha256": "{}"}}]}}"#,
            sha256(b"one"),
            sha256(b"two")
        );
        let judges = HeldOut::of(record.as_bytes()).expect("a record");
        let folders: Vec<(&str, usize)> =
            judges.iter().map(|judge| (judge.folder.as_str(), judge.passages.len())).collect();
        assert_eq!(folders, [("fold-1/", 1), ("fold-2/", 2)]);
        judges[1].check(&sha256(b"two")).expect("the weights that were trained");
        let fault = judges[1].check(&sha256(b"one")).expect_err("those of the other").to_string();
        let named = ["fold-2/model.safetensors", "not the weights that were trained", "training.json"];
        assert!(named.iter().all(|words| fault.contains(words)), "{fault}");
    }

    #[test]
    fn a_record_without_judges_is_named() {
        for (record, words) in [("{}", "folds"), (r#"{"folds": []}"#, "one judge at least"), ("{", "training.json")] {
            let fault = HeldOut::of(record.as_bytes()).expect_err(record).to_string();
            assert!(fault.contains(words), "{record}: {fault}");
        }
    }
}
