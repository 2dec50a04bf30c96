//! The datasets that scenarios run on: the one that lies beside the page, and those that presets make.

use poq_core::Dataset;
use poq_core::dataset::AddedEvaluator;
use poq_core::preset::{self, Made};

/// The datasets that the worker holds.
#[derive(Debug, Default)]
pub struct Datasets {
    /// The one beside the page, or why there is none.
    given: Option<Result<Dataset, String>>,
    /// The evaluator that it has besides, and what it is with it.
    extended: Option<(Box<AddedEvaluator>, Dataset)>,
    /// Made when first asked for.
    made: Vec<(Made, Dataset)>,
}

impl Datasets {
    /// Takes the dataset beside the page, or why there is none.
    pub fn set_given(&mut self, given: Result<Dataset, String>) {
        self.given = Some(given);
    }

    /// Gives the dataset beside the page this evaluator besides, or none. Whether that is a change.
    ///
    /// # Errors
    /// If the dataset is not there, or the evaluator is not of it; then it has none.
    pub fn extend(&mut self, evaluator: Option<Box<AddedEvaluator>>) -> Result<bool, String> {
        if self.extended.as_ref().map(|(own, _)| own) == evaluator.as_ref() {
            return Ok(false);
        }
        self.extended = None;
        if let Some(evaluator) = evaluator {
            let given = self.given.as_ref().ok_or("the dataset is not loaded yet")?.as_ref().map_err(Clone::clone)?;
            let extended = given.with_evaluator(&evaluator).map_err(|error| error.to_string())?;
            self.extended = Some((evaluator, extended));
        }
        Ok(true)
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
        match (preset::dataset_of(preset), &self.extended, &self.given) {
            (Some(wanted), ..) => {
                let made = self.made.iter().find(|(made, _)| *made == wanted);
                made.map(|(_, dataset)| dataset).ok_or("the dataset is not made yet")
            }
            (None, Some((_, extended)), _) => Ok(extended),
            (None, None, Some(given)) => given.as_ref().map_err(String::as_str),
            (None, None, None) => Err("the dataset is not loaded yet"),
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

    #[test]
    fn only_the_dataset_beside_the_page_gets_an_evaluator_besides_and_loses_it_again() {
        let mut datasets = Datasets::default();
        let evaluator = || Some(Box::new(crate::fixture::added_evaluator()));
        assert!(datasets.extend(evaluator()).is_err(), "there is none yet");
        let given = crate::fixture::dataset();
        datasets.set_given(Ok(given.clone()));
        assert_eq!((datasets.extend(evaluator()), datasets.extend(evaluator())), (Ok(true), Ok(false)));
        assert_eq!(datasets.get("default").map(Dataset::evaluators), Ok(given.evaluators() + 1));
        assert!(datasets.prepare("paper-2512.16317"));
        let made = datasets.get("paper-2512.16317").expect("made");
        assert!(made.manifest.evaluators.iter().all(|entry| entry.id != "near@device"));

        let mut other = crate::fixture::added_evaluator();
        other.dataset.clear();
        assert!(datasets.extend(Some(Box::new(other))).is_err());
        assert_eq!(datasets.get("default"), Ok(&given), "what does not fit leaves none");
    }
}
