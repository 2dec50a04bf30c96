//! What holds for every training, on a random BERT of a few kilobytes.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::path::Path;

use futures_lite::future::block_on;
use poq_models::{CrossEncoder, Families, Kernels, ModelError, cpu_device};
use poq_training::{Architecture, Base, CrossFit, Example, Objective, Seen, Settings, Training, TrainingError};

type Outcome = Result<(), Box<dyn Error>>;

const SETTINGS: Settings = Settings {
    architecture: Architecture::CrossEncoder { layers: 2 },
    objective: Objective::Quality,
    seed: 3,
    folds: 3,
    max_tokens: 24,
    epochs: 3,
    patience: 3,
    batch: 4,
    learning_rate: 0.01,
};

const TEXT_CNN: Settings = Settings { architecture: Architecture::TextCnn, ..SETTINGS };

struct Files([Vec<u8>; 3]);

impl Files {
    fn tiny() -> std::io::Result<Self> {
        let file =
            |name: &str| fs::read(format!("{}/../models/tests/fixtures/tiny-bert/{name}", env!("CARGO_MANIFEST_DIR")));
        // The fixture's tokenizer does not say how pairs are joined.
        let mut tokenizer: serde_json::Value = serde_json::from_slice(&file("tokenizer.json")?)?;
        tokenizer["post_processor"]["pair"] = serde_json::json!([
            {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 1}}
        ]);
        Ok(Self([file("config.json")?, tokenizer.to_string().into_bytes(), file("model.safetensors")?]))
    }

    fn base(&self) -> Base<'_> {
        let [config, tokenizer, weights] = &self.0;
        Base { config, tokenizer, weights }
    }
}

/// Two rows of each of twelve passages: whoever says "cat" is right.
fn rows() -> Vec<Example> {
    let row = |row: usize| Example {
        task: format!("task {}", row / 2),
        passage: row as u32 / 2,
        text_sha256: format!("passage {}", row / 2),
        first: "the mat".to_owned(),
        second: if row.is_multiple_of(2) { "the cat" } else { "the dog" }.to_owned(),
        target: if row.is_multiple_of(2) { 0.9 } else { 0.1 },
    };
    (0..24).map(row).collect()
}

fn train(settings: &Settings, out: &Path) -> Result<Training, Box<dyn Error>> {
    let files = Files::tiny()?;
    CrossFit::new(files.base(), &rows(), *settings)?.run(out, &mut |_| true)?.ok_or_else(|| "it was not ended".into())
}

/// The files under a folder, with their bytes.
fn files(folder: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push((path.display().to_string().replace(&folder.display().to_string(), ""), fs::read(&path)?));
        }
    }
    found.sort();
    Ok(found)
}

#[test]
fn what_was_trained_is_what_is_run() -> Outcome {
    is_run_as_trained(&SETTINGS)?;
    is_run_as_trained(&Settings { architecture: Architecture::CrossEncoder { layers: 1 }, ..SETTINGS })?;
    is_run_as_trained(&TEXT_CNN)
}

fn is_run_as_trained(settings: &Settings) -> Outcome {
    let out = tempfile::tempdir()?;
    let training = train(settings, out.path())?;
    let rows = rows();
    for (number, fold) in training.folds.iter().enumerate() {
        let folder = out.path().join(format!("fold-{}", number + 1));
        let mut read = |name: &str| Ok::<_, ModelError>(fs::read(folder.join(name)).ok());
        let judge =
            CrossEncoder::from_folder(&mut read, Families::ALL, Kernels::fastest(&cpu_device()), &cpu_device())?;
        assert_eq!(judge.max_tokens(), 24);
        let held_out: Vec<&Example> = rows.iter().filter(|row| fold.held_out.contains(&row.task)).collect();
        let pairs: Vec<(&str, &str)> = held_out.iter().map(|row| (row.first.as_str(), row.second.as_str())).collect();
        let scores = block_on(judge.score(&pairs))?;
        assert_eq!(scores.len(), fold.values.len());
        for (score, value) in scores.iter().zip(&fold.values) {
            assert!((score.value - value).abs() < 1e-5, "{} is not {value}", score.value);
        }
    }
    Ok(())
}

#[test]
fn judges_learn_and_are_held_out() -> Outcome {
    learn_and_are_held_out(&SETTINGS)?;
    learn_and_are_held_out(&TEXT_CNN)
}

fn learn_and_are_held_out(settings: &Settings) -> Outcome {
    let out = tempfile::tempdir()?;
    let training = train(&Settings { epochs: 12, patience: 12, ..*settings }, out.path())?;
    let seen: Vec<String> = training.folds.iter().flat_map(|fold| fold.held_out.clone()).collect();
    assert_eq!((seen.len(), seen.iter().collect::<HashSet<_>>().len()), (12, 12), "each task is held out once");
    assert_eq!(training.held_out.rows, 24);
    let pearson = training.held_out.pearson.ok_or("values vary")?;
    assert!(pearson.value > 0.7, "{pearson:?}");
    for fold in &training.folds {
        let [first, .., last] = fold.epochs.as_slice() else { return Err("several epochs".into()) };
        assert!(last.loss < first.loss, "{:?}", fold.epochs);
        let best = fold.epochs.iter().map(|epoch| epoch.validation).fold(f64::INFINITY, f64::min);
        assert_eq!(fold.epochs[fold.kept - 1].validation, best);
    }
    Ok(())
}

#[test]
fn targets_that_follow_nothing_are_not_learnt_from_the_passages_that_are_judged() -> Outcome {
    // Each passage has words of its own, and a target that only these tell: whoever saw them would know.
    let files = Files::tiny()?;
    let words = ["the", "cat", "sat", "on", "mat", "dog", "1"];
    let own =
        |passage: usize| format!("{} {} {}", words[passage % 7], words[passage / 7 % 7], words[(passage * 3) % 7]);
    let rows: Vec<Example> = (0..48)
        .map(|row| Example {
            task: format!("task {}", row / 2),
            passage: row as u32 / 2,
            text_sha256: format!("passage {}", row / 2),
            first: own(row / 2),
            second: own(row / 2),
            target: ((row / 2 * 7) % 5) as f32 / 4.0,
        })
        .collect();
    let out = tempfile::tempdir()?;
    let settings = Settings { epochs: 8, patience: 8, ..SETTINGS };
    let training =
        CrossFit::new(files.base(), &rows, settings)?.run(out.path(), &mut |_| true)?.ok_or("it was not ended")?;
    let pearson = training.held_out.pearson.ok_or("values vary")?;
    assert!(pearson.value < 0.6, "{pearson:?}");
    Ok(())
}

#[test]
fn the_seed_decides_and_an_interruption_changes_nothing() -> Outcome {
    let [whole, parts, other] = [tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?];
    let training = train(&SETTINGS, whole.path())?;
    let base = Files::tiny()?;
    let mut sittings = 0;
    let resumed = loop {
        sittings += 1;
        assert!(sittings < 200, "it goes on each time");
        // Ended in the first step of the third epoch that it sees, or just after an epoch.
        let (mut epochs, odd) = (0, sittings % 2 == 1);
        let mut go_on = |seen: Seen| {
            epochs += usize::from(matches!(seen, Seen::Epoch { .. }));
            if odd { epochs < 1 } else { epochs < 2 || matches!(seen, Seen::Epoch { .. }) }
        };
        if let Some(training) = CrossFit::new(base.base(), &rows(), SETTINGS)?.run(parts.path(), &mut go_on)? {
            break training;
        }
    };
    assert!(sittings > 3, "{sittings}");
    assert_eq!(resumed, training);
    assert_eq!(files(whole.path())?, files(parts.path())?);
    assert_ne!(train(&Settings { seed: 4, ..SETTINGS }, other.path())?.folds, training.folds);
    let names: Vec<String> = files(&whole.path().join("fold-1"))?.into_iter().map(|(name, _)| name).collect();
    let expected = ["/config.json", "/fold.json", "/model.safetensors", "/tokenizer.json", "/tokenizer_config.json"];
    assert_eq!(names, expected);
    Ok(())
}

#[test]
fn a_base_that_may_have_learnt_or_that_does_not_fit_is_refused() -> Outcome {
    let out = tempfile::tempdir()?;
    train(&Settings { epochs: 1, ..SETTINGS }, out.path())?;
    let file = |name: &str| fs::read(out.path().join("fold-1").join(name));
    let judge = [file("config.json")?, file("tokenizer.json")?, file("model.safetensors")?];
    let refusal = |[config, tokenizer, weights]: &[Vec<u8>; 3]| match CrossFit::new(
        Base { config, tokenizer, weights },
        &rows(),
        Settings { seed: 4, ..SETTINGS },
    ) {
        Ok(_) => "it can begin".to_owned(),
        Err(error) => error.to_string(),
    };
    let of_judge = refusal(&judge);
    assert!(of_judge.contains("`base`") && of_judge.contains("classifier.") && of_judge.contains("without a head"));
    let Files([config, tokenizer, weights]) = Files::tiny()?;
    let changed = |field: &str, value: usize| -> Result<String, Box<dyn Error>> {
        let mut config: serde_json::Value = serde_json::from_slice(&config)?;
        config[field] = value.into();
        Ok(refusal(&[config.to_string().into_bytes(), tokenizer.clone(), weights.clone()]))
    };
    // The tokenizer gives two types.
    let types = changed("type_vocab_size", 1)?;
    assert!(types.contains("type_vocab_size") && types.contains("2 at least"), "{types}");
    let layers = changed("num_hidden_layers", 1 << 24)?;
    assert!(layers.contains("encoder.layer.16777215"), "{layers}");
    Ok(())
}

#[test]
fn what_an_earlier_run_left_is_checked_and_cleared() -> Outcome {
    let out = tempfile::tempdir()?;
    let settings = Settings { epochs: 1, ..SETTINGS };
    let training = train(&settings, out.path())?;
    let fold = out.path().join("fold-2");
    fs::write(fold.join("epoch-7.bpk"), "left by a run that was killed")?;
    assert_eq!(train(&settings, out.path())?, training);
    assert!(!fold.join("epoch-7.bpk").exists());
    let path = fold.join("model.safetensors");
    let mut bytes = fs::read(&path)?;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes)?;
    let seen = train(&settings, out.path()).map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
    assert!(seen.contains("fold-2") && seen.contains("not the weights that were trained"), "{seen}");
    Ok(())
}

#[test]
fn what_nothing_can_be_learnt_from_is_refused() -> Outcome {
    let out = tempfile::tempdir()?;
    let files = Files::tiny()?;
    let refusal = |rows: &[Example], settings: &Settings| match CrossFit::new(files.base(), rows, *settings) {
        Ok(_) => "it can begin".to_owned(),
        Err(error) => error.to_string(),
    };
    let five = refusal(&rows()[..5], &SETTINGS);
    assert!(five.contains("there are 5; allowed: 20 at least"), "{five}");
    let mut alike = rows();
    alike.iter_mut().for_each(|row| row.target = 1.0);
    let one_class = refusal(&alike, &SETTINGS);
    assert!(one_class.contains("of one class"), "{one_class}");
    let mut of_two = rows();
    of_two.iter_mut().for_each(|row| row.passage %= 2);
    let few = refusal(&of_two, &SETTINGS);
    assert!(few.contains("2 passages, fewer than the 3 folds"), "{few}");
    for (settings, field) in [
        (Settings { architecture: Architecture::CrossEncoder { layers: 0 }, ..SETTINGS }, "layers"),
        (Settings { folds: 2, ..SETTINGS }, "folds"),
        (Settings { epochs: 0, ..SETTINGS }, "epochs"),
        (Settings { patience: 0, ..SETTINGS }, "patience"),
        (Settings { batch: 0, ..SETTINGS }, "batch"),
        (Settings { learning_rate: f64::NAN, ..SETTINGS }, "learning_rate"),
        (Settings { max_tokens: 4, ..SETTINGS }, "max_tokens"),
    ] {
        let message = refusal(&rows(), &settings);
        assert!(message.contains(field), "{field}: {message}");
    }
    let layers = Settings { architecture: Architecture::CrossEncoder { layers: 3 }, ..SETTINGS };
    assert!(refusal(&rows(), &layers).contains("`layers`: 3; allowed: 1 to 2"), "{}", refusal(&rows(), &layers));
    let wide = Settings { batch: 257, ..SETTINGS };
    assert!(refusal(&rows(), &wide).contains("`batch`: 257; allowed: 1 to 256"), "{}", refusal(&rows(), &wide));
    let wild = Settings { learning_rate: 1e30, ..SETTINGS };
    let diverged = CrossFit::new(files.base(), &rows(), wild)?.run(out.path(), &mut |_| true);
    assert!(matches!(diverged, Err(TrainingError::Diverged { fold: 1, .. })), "{diverged:?}");
    Ok(())
}
