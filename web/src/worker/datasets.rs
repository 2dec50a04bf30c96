//! The datasets that scenarios run on: the one that lies beside the page, and those that presets make.

use poq_core::Dataset;
use poq_core::preset::{self, Made};

/// The datasets that the worker holds.
#[derive(Debug, Default)]
pub struct Datasets {
    /// The one beside the page, or why there is none.
    given: Option<Result<Dataset, String>>,
    /// Made when first asked for.
    made: Vec<(Made, Dataset)>,
}

impl Datasets {
    /// Takes the dataset beside the page, or why there is none.
    pub fn set_given(&mut self, given: Result<Dataset, String>) {
        self.given = Some(given);
    }

    /// Makes the dataset that scenarios of this preset run on, if it is not there yet. Whether it is there now.
    pub fn prepare(&mut self, preset: &str) -> bool {
        let Some(wanted) = preset::dataset_of(preset) else { return self.given.is_some() };
        if !self.made.iter().any(|(made, _)| *made == wanted) {
            self.made.push((wanted, wanted.make()));
        }
        true
    }

    /// The dataset that scenarios of this preset run on, once it is prepared.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn get(&self, preset: &str) -> Result<&Dataset, &str> {
        match (preset::dataset_of(preset), &self.given) {
            (Some(wanted), _) => {
                let made = self.made.iter().find(|(made, _)| *made == wanted);
                made.map(|(_, dataset)| dataset).ok_or("the dataset is not made yet")
            }
            (None, Some(given)) => given.as_ref().map_err(String::as_str),
            (None, None) => Err("the dataset is not loaded yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_with_a_dataset_of_its_own_needs_no_other() {
        let mut datasets = Datasets::default();
        assert!(!datasets.prepare("default") && datasets.get("default").is_err());
        assert!(datasets.get("paper-2512.16317").is_err());
        assert!(datasets.prepare("paper-2512.16317"));
        assert_eq!(
            datasets.get("paper-2512.16317").map(|dataset| dataset.manifest.id.as_str()),
            Ok("paper-2512.16317")
        );
        datasets.set_given(Ok(crate::fixture::dataset()));
        assert!(datasets.prepare("drift-under-clip"));
        assert_eq!(datasets.get("drift-under-clip"), Ok(&crate::fixture::dataset()));
    }
}
