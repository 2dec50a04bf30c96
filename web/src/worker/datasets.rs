//! The datasets that scenarios run on: those that lie beside the page, and those that presets make.

use poq_core::Dataset;
use poq_core::dataset::{AddedEvaluator, Shipped};
use poq_core::preset::{self, Made, Origin};

/// The datasets that the worker holds.
#[derive(Debug, Default)]
pub struct Datasets {
    /// Those beside the page that were asked for, or why there is none.
    shipped: Vec<(Shipped, Result<Dataset, String>)>,
    /// The one for scenarios whose preset has none of its own.
    chosen: Shipped,
    /// The evaluator that the chosen one has besides, and what it is with it.
    extended: Option<(Box<AddedEvaluator>, Dataset)>,
    /// Made when first asked for.
    made: Vec<(Made, Dataset)>,
}

impl Datasets {
    /// Takes a dataset beside the page, or why there is none.
    pub fn set(&mut self, shipped: Shipped, dataset: Result<Dataset, String>) {
        self.shipped.retain(|(other, _)| *other != shipped);
        self.shipped.push((shipped, dataset));
    }

    /// Chooses a dataset, without an evaluator besides. Whether it is another one than before.
    pub fn choose(&mut self, dataset: Shipped) -> bool {
        if self.chosen == dataset {
            return false;
        }
        (self.chosen, self.extended) = (dataset, None);
        // What could not be fetched is asked for again.
        self.shipped.retain(|(_, dataset)| dataset.is_ok());
        true
    }

    /// Gives the chosen dataset this evaluator besides, or none. Whether that is a change.
    ///
    /// # Errors
    /// If the dataset is not there, or the evaluator is not of it; then it has none.
    pub fn extend(&mut self, evaluator: Option<Box<AddedEvaluator>>) -> Result<bool, String> {
        if self.extended.as_ref().map(|(own, _)| own) == evaluator.as_ref() {
            return Ok(false);
        }
        self.extended = None;
        if let Some(evaluator) = evaluator {
            let extended = self.shipped(self.chosen)?.with_evaluator(&evaluator).map_err(|error| error.to_string())?;
            self.extended = Some((evaluator, extended));
        }
        Ok(true)
    }

    /// The one for scenarios whose preset has none of its own.
    #[must_use]
    pub fn chosen(&self) -> Shipped {
        self.chosen
    }

    /// Makes the dataset that scenarios of this preset run on, if the program makes it and it is not there yet.
    pub fn make(&mut self, preset: &str) {
        if let Origin::Made(wanted) = self.origin(preset)
            && !self.made.iter().any(|(made, _)| *made == wanted)
        {
            self.made.push((wanted, wanted.make()));
        }
    }

    /// The dataset that scenarios of this preset run on, where it must be fetched first.
    #[must_use]
    pub fn lacks(&self, preset: &str) -> Option<Shipped> {
        match self.origin(preset) {
            Origin::Shipped(shipped) => (self.shipped.iter().all(|(there, _)| *there != shipped)).then_some(shipped),
            Origin::Made(_) => None,
        }
    }

    /// The dataset that scenarios of this preset run on, once it is there.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn get(&self, preset: &str) -> Result<&Dataset, &str> {
        match (self.origin(preset), &self.extended) {
            (Origin::Made(wanted), _) => {
                let made = self.made.iter().find(|(made, _)| *made == wanted);
                made.map(|(_, dataset)| dataset).ok_or("the dataset is not made yet")
            }
            (Origin::Shipped(shipped), Some((_, extended))) if shipped == self.chosen => Ok(extended),
            (Origin::Shipped(shipped), _) => self.shipped(shipped),
        }
    }

    fn origin(&self, preset: &str) -> Origin {
        preset::dataset_of(preset).unwrap_or(Origin::Shipped(self.chosen))
    }

    fn shipped(&self, shipped: Shipped) -> Result<&Dataset, &str> {
        let found = self.shipped.iter().find(|(there, _)| *there == shipped);
        found.ok_or("the dataset is not loaded yet")?.1.as_ref().map_err(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_with_a_dataset_of_its_own_needs_no_other() {
        let mut datasets = Datasets::default();
        assert_eq!(datasets.lacks("default"), Some(Shipped::default()));
        assert!(datasets.get("default").is_err());
        assert!(datasets.get("paper-2512.16317").is_err());
        datasets.make("paper-2512.16317");
        assert_eq!(
            datasets.get("paper-2512.16317").map(|dataset| dataset.manifest.id.as_str()),
            Ok("paper-2512.16317")
        );
        datasets.set(Shipped::default(), Ok(crate::fixture::dataset()));
        assert_eq!(datasets.lacks("drift-under-clip"), None);
        assert_eq!(datasets.get("drift-under-clip"), Ok(&crate::fixture::dataset()));
    }

    #[test]
    fn only_the_dataset_beside_the_page_gets_an_evaluator_besides_and_loses_it_again() {
        let mut datasets = Datasets::default();
        let evaluator = || Some(Box::new(crate::fixture::added_evaluator()));
        assert!(datasets.extend(evaluator()).is_err(), "there is none yet");
        let given = crate::fixture::dataset();
        datasets.set(Shipped::default(), Ok(given.clone()));
        assert_eq!((datasets.extend(evaluator()), datasets.extend(evaluator())), (Ok(true), Ok(false)));
        assert_eq!(datasets.get("default").map(Dataset::evaluators), Ok(given.evaluators() + 1));
        datasets.make("paper-2512.16317");
        let made = datasets.get("paper-2512.16317").expect("made");
        assert!(made.manifest.evaluators.iter().all(|entry| entry.id != "near@device"));

        let mut other = crate::fixture::added_evaluator();
        other.dataset.clear();
        assert!(datasets.extend(Some(Box::new(other))).is_err());
        assert_eq!(datasets.get("default"), Ok(&given), "what does not fit leaves none");
    }

    #[test]
    fn another_dataset_is_fetched_once_it_is_chosen_and_leaves_the_one_of_a_preset() {
        let mut datasets = Datasets::default();
        let given = crate::fixture::dataset();
        datasets.set(Shipped::PoqLab2, Ok(given.clone()));
        assert_eq!(datasets.extend(Some(Box::new(crate::fixture::added_evaluator()))), Ok(true));
        assert!(datasets.choose(Shipped::PoqLab1) && !datasets.choose(Shipped::PoqLab1));
        assert_eq!(datasets.lacks("default"), Some(Shipped::PoqLab1));
        assert_eq!(datasets.lacks(preset::FREE_RIDERS), None);
        assert_eq!(datasets.get(preset::FREE_RIDERS), Ok(&given), "without the evaluator of this device");
        datasets.set(Shipped::PoqLab1, Err("gone".to_owned()));
        assert_eq!(datasets.get("default"), Err("gone"));
        assert!(datasets.choose(Shipped::PoqLab2) && datasets.choose(Shipped::PoqLab1));
        assert_eq!(datasets.lacks("default"), Some(Shipped::PoqLab1), "it is asked for again");
    }
}
