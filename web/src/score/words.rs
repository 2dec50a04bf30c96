//! What the Score place says.

use poq_core::weights::{self, KnownModel, ModelRole};

use super::form::Form;
use super::state::{Gpu, State, Work};
use crate::format;
use poq_inference::protocol::{
    DeviceKind, EvaluatorHere, Finish, KnownAnswer, LoadStep, Loaded, ModelHere, NodeHere, Score,
};

/// The GPU as a choice.
pub fn gpu(gpu: &Gpu) -> String {
    match gpu {
        Gpu::Asking => "GPU, through WebGPU: asking the browser …".to_owned(),
        Gpu::Absent(why) => format!("GPU, through WebGPU: none ({why})"),
        Gpu::Offered(name) => format!("GPU, through WebGPU: {name}"),
    }
}

/// The device for scripts and tests.
pub fn device_mark(state: &State) -> &'static str {
    match (&state.device, state.program.0) {
        (None, _) => "none",
        (Some(_), DeviceKind::Cpu) => "cpu",
        (Some(_), DeviceKind::WebGpu) => "webgpu",
    }
}

/// What the program does.
pub fn device(state: &State) -> &'static str {
    match (&state.device, state.program.0) {
        _ if state.fault.is_some() => "",
        (None, _) if state.is_built => super::IS_BUILT,
        (None, DeviceKind::Cpu) => "Starting the program that runs models …",
        (None, DeviceKind::WebGpu) => "Starting the program for the GPU; it is larger …",
        (Some(_), DeviceKind::Cpu) if state.kind() == DeviceKind::WebGpu => {
            "Ready. The program for the GPU is loaded with the first model."
        }
        (Some(_), DeviceKind::Cpu) => "Ready, on the CPU.",
        (Some(device), DeviceKind::WebGpu) if device.has_half => "Ready, on the GPU, in half precision.",
        (Some(_), DeviceKind::WebGpu) => "Ready, on the GPU.",
    }
}

/// Room for weights.
pub fn room(state: &State) -> String {
    match state.stored.as_ref().and_then(|stored| stored.room) {
        Some(room) => format!("The browser gives this page {} more.", megabytes(room)),
        None if state.stored.is_some() => "The browser does not tell how much room it gives this page.".to_owned(),
        None => String::new(),
    }
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..10_000_000_000 => format!("{} MB", format::count(bytes / 1_000_000)),
        _ => format!("{} GB", format::count(bytes / 1_000_000_000)),
    }
}

/// What a model is.
pub fn role(model: &KnownModel) -> &'static str {
    match model.role {
        ModelRole::Decoder => "a language model, which answers as an inference node does, and may rate answers",
        ModelRole::BiEncoder => "makes vectors of texts; evaluators score by their cosine",
    }
}

/// Where a model comes from.
pub fn origin(model: &'static KnownModel) -> String {
    let size = model.bytes().div_ceil(1_000_000);
    let packages = model.packages();
    let source = match packages.as_slice() {
        [one] => format!("Python package {}", one.replace("==", " ")),
        [first, .., last] => {
            let (count, name) = (packages.len(), |package: &str| package.replace("==", " "));
            format!("{count} Python packages, {} to {}", name(first), name(last))
        }
        [] => String::new(),
    };
    format!("{size} MB, licence {}, source: {source}", model.licence)
}

/// A model's state for scripts and tests.
pub fn model_mark(state: &State, model: &KnownModel) -> &'static str {
    let here = state.here(model.name);
    match () {
        () if state.loaded(&ModelHere::Known(model.name.to_owned())).is_some() => "loaded",
        () if state.transfer.as_ref().is_some_and(|transfer| transfer.model == model.name) => "transfer",
        () if state.to_load.iter().any(|source| source.name() == model.name) => "loading",
        () if here == model.bytes() => "stored",
        () if here > 0 => "partial",
        () => "absent",
    }
}

/// A model's state.
pub fn model(state: &State, model: &KnownModel) -> String {
    let here = state.here(model.name);
    if let Some(loaded) = state.loaded(&ModelHere::Known(model.name.to_owned())) {
        let words = ready(loaded, state.program.0);
        return match here == model.bytes() {
            true => words,
            false => format!("Not whole in this browser any more; until the device changes it can be used. {words}"),
        };
    }
    if let Some(transfer) = state.transfer.as_ref().filter(|transfer| transfer.model == model.name) {
        return format!("{} of {} MB are here.", transfer.done / 1_000_000, transfer.of.div_ceil(1_000_000));
    }
    if let Some((_, step)) = state.loading.as_ref().filter(|(name, _)| name == model.name) {
        return loading(*step).to_owned();
    }
    match here {
        _ if model_mark(state, model) == "loading" && state.doing.is_some() => {
            "In this browser. It is loaded once the work here has ended.".to_owned()
        }
        0 => "Not in this browser.".to_owned(),
        _ if here == model.bytes() => "In this browser.".to_owned(),
        _ => format!("{} of {} MB are in this browser.", here / 1_000_000, model.bytes().div_ceil(1_000_000)),
    }
}

fn loading(step: LoadStep) -> &'static str {
    match step {
        LoadStep::Check => "Reading it and checking what it is …",
        LoadStep::Upload => "Putting its weights on the device …",
        LoadStep::KnownAnswer => "Computing a known answer, before the device is trusted …",
    }
}

/// What a folder's model is known by.
pub fn folder_origin(file: &str) -> String {
    format!("the dataset knows it by its {file}; no package has it, and it is not kept in this browser")
}

/// Its state for scripts and tests.
pub fn folder_mark(state: &State, model: &ModelHere) -> &'static str {
    match () {
        () if state.loaded(model).is_some() => "loaded",
        () if state.to_load.iter().any(|source| source.has(model)) => "loading",
        () => "absent",
    }
}

/// Its state.
pub fn folder(state: &State, model: &ModelHere) -> String {
    if let Some(loaded) = state.loaded(model) {
        return ready(loaded, state.program.0);
    }
    match folder_mark(state, model) {
        "loading" => match &state.loading {
            Some((name, LoadStep::KnownAnswer)) if name == model.name() => {
                "Scoring recorded answers, before it is used …".to_owned()
            }
            Some((name, step)) if name == model.name() => loading(*step).to_owned(),
            _ if state.doing.is_some() => "It is loaded once the work here has ended.".to_owned(),
            _ => "It is loaded next.".to_owned(),
        },
        _ => "Not loaded.".to_owned(),
    }
}

fn ready(loaded: &Loaded, device: DeviceKind) -> String {
    let check = format::duration(loaded.check_ms);
    let times = match loaded.upload_ms {
        Some(upload_ms) => format!("Read and checked in {check}, put on the device in {}", format::duration(upload_ms)),
        None => format!("Read, checked and put on the device in {check}"),
    };
    match &loaded.known_answer {
        None => match loaded.difference {
            Some(difference) => format!(
                "Loaded. {times}. Its scores of the answers that it was tried on are within {} of the recorded ones.",
                format::number(difference)
            ),
            None => format!("Loaded. {times}. No known answer is there to check the device with."),
        },
        Some(KnownAnswer { agreement, first_ms, second_ms }) => {
            let agreement = match loaded.decoder {
                true => format!("{} of its tokens", format::percent(*agreement)),
                false => format!("cosine {}", format::fixed(*agreement, 6)),
            };
            let second = second_ms.map_or_else(String::new, |ms| match device {
                DeviceKind::Cpu => format!(", the second {}", format::duration(ms)),
                DeviceKind::WebGpu => {
                    let compiled = format::duration((first_ms - ms).max(0.0));
                    format!(", the second {}: kernels were compiled in {compiled}", format::duration(ms))
                }
            });
            let first = format::duration(*first_ms);
            format!("Loaded, and the known answer came ({agreement}). {times}; the first answer took {first}{second}.")
        }
    }
}

/// How scoring goes.
pub fn scoring(state: &State) -> String {
    if state.doing == Some(Work::Score) {
        return "Scoring …".to_owned();
    }
    let empty = match state.scored.as_ref().is_some_and(|scored| scored.answer.trim().is_empty()) {
        true => "The answer is empty; the evaluators score it as it is.",
        false => "",
    };
    let evaluators = state.corpus.iter().flatten().flat_map(|corpus| &corpus.evaluators);
    let waiting: Vec<&EvaluatorHere> = evaluators.filter(|evaluator| !state.can_score(evaluator)).collect();
    let mut models: Vec<&ModelHere> = Vec::new();
    for model in waiting.iter().filter_map(|evaluator| evaluator.model.as_ref()) {
        if !models.contains(&model) {
            models.push(model);
        }
    }
    if models.is_empty() {
        return empty.to_owned();
    }
    let need = |model: &&ModelHere| {
        let of = || waiting.iter().filter(|evaluator| evaluator.model.as_ref() == Some(model));
        let title = title(model.name());
        match of().count() {
            1 => format!("{} needs {title}", of().map(|one| one.name.as_str()).collect::<String>()),
            count => format!("{} need {title}", format::counted(count as u64, "evaluator", "evaluators")),
        }
    };
    let need = models.iter().map(need).collect::<Vec<_>>().join(" and ");
    format!("{empty} {need}, above; the others need nothing.").trim_start().to_owned()
}

/// A known model's name for people.
fn title(model: &str) -> &str {
    weights::known(model).map_or(model, |known| known.title)
}

/// Characters of an answer, of all references, and of a context, at most: the time of ROUGE-L and chrF goes with the
/// product of the first two, and a language model that rates reads all without a pause.
const LONGEST_TEXT: usize = 20_000;

/// What is too long to be scored.
pub fn too_long(form: &Form) -> Option<String> {
    let texts = [("answer has", &form.answer), ("references have", &form.references), ("context has", &form.context)];
    let mut counts = texts.map(|(what, text)| (what, text.chars().count())).into_iter();
    let (what, count) = counts.find(|(_, count)| *count > LONGEST_TEXT)?;
    let [count, most] = [count, LONGEST_TEXT].map(|count| format::count(count as u64));
    Some(format!("The {what} {count} characters; {most} at most are scored here."))
}

/// What was read of a text.
pub fn read(score: &Score) -> String {
    match (score.tokens, score.truncated) {
        (None, _) => "all".to_owned(),
        (Some(tokens), false) => format!("{tokens} tokens"),
        (Some(tokens), true) => format!("{tokens} tokens of all texts; a longer one was cut to fit the model"),
    }
}

/// The dataset, scored anew.
pub fn rescored(state: &State) -> String {
    if let Some((done, of)) = state.rescoring {
        return match of {
            0 => "Scoring …".to_owned(),
            _ => format!("{} of {} answers.", format::count(u64::from(done)), format::count(u64::from(of))),
        };
    }
    match &state.rescored {
        None => match state.rescore_with.as_ref().filter(|evaluator| !state.can_score(evaluator)) {
            Some(EvaluatorHere { model: Some(model), .. }) => {
                format!("This evaluator needs {}, above.", title(model.name()))
            }
            Some(EvaluatorHere { model: None, .. }) | None => String::new(),
        },
        Some(Err(words)) => format!("It stopped: {words}."),
        Some(Ok(scored)) if scored.rows == 0 => "Stopped before the first answer.".to_owned(),
        Some(Ok(scored)) => {
            let stopped = if scored.rows + scored.unscored < scored.of { "Stopped. " } else { "" };
            let unscored = match scored.unscored {
                0 => String::new(),
                count => format!(
                    " Of {} the model's reply was no number.",
                    format::counted(u64::from(count), "answer more", "answers more")
                ),
            };
            let cut = match scored.truncated {
                0 => String::new(),
                count => format!(
                    " With {} a text was cut to fit the model.",
                    format::counted(u64::from(count), "answer", "answers")
                ),
            };
            let r = scored.pearson.map_or("not defined".to_owned(), |r| format::fixed(r, 6));
            format!(
                "{stopped}{} of {} answers by {}: correlation with the recorded scores {r}, largest difference {} of 10. A score took \
                 {} here, {} when it was recorded.{cut}{unscored}",
                format::count(u64::from(scored.rows)),
                format::count(u64::from(scored.of)),
                scored.evaluator.name,
                format::number(scored.largest),
                format::duration(scored.latency_ms),
                format::duration(scored.recorded_ms),
            )
        }
    }
}

/// The answer's state for scripts and tests.
pub fn ask_mark(state: &State) -> &'static str {
    match (&state.ask.outcome, state.doing) {
        (_, Some(Work::Generate)) => "running",
        (Some(Ok(_)), _) => "done",
        (Some(Err(_)), _) => "failed",
        (None, _) => "none",
    }
}

/// How the answer goes.
pub fn asking(state: &State) -> String {
    if let Some((name, step)) = state.loading.as_ref().filter(|(name, _)| state.is_opened(name)) {
        return format!("{name}: {}", loading(*step));
    }
    let Some((_, decoder)) = &state.decoder else {
        let node = state.row.as_ref().and_then(|row| row.node_here.as_ref());
        return match node {
            Some(node) => format!("It needs {}, above, or a file.", title(&node.model)),
            None => "It needs a language model: one above, or a file.".to_owned(),
        };
    };
    let ask = &state.ask;
    let rate = |tokens: u32, ms: f64| match tokens {
        0 => String::new(),
        _ => format!(", {} tokens a second", format::number(f64::from(tokens) / (ms / 1e3).max(1e-9))),
    };
    if state.doing == Some(Work::Generate) {
        return match ask.tokens {
            0 => match ask.read {
                None => "Reading the prompt …".to_owned(),
                Some((done, of)) => format!("Reading the prompt: {done} of {of} tokens …"),
            },
            tokens => format!("{}{}", format::counted(u64::from(tokens), "token", "tokens"), rate(tokens, ask.ms)),
        };
    }
    let Some(Ok(answer)) = &ask.outcome else {
        let checked = decoder.cpu_cosine.map_or_else(String::new, |cosine| {
            format!(" On this device its scores are those of the CPU (cosine {}).", format::fixed(cosine, 6))
        });
        return format!("{} is ready.{checked}", decoder.model);
    };
    let tokens = answer.token_ids.len() as u32;
    let finish = match answer.finish {
        Finish::EndOfText => "the model ended it",
        Finish::MaxTokens => "as many as were asked for",
        Finish::Stopped => "stopped",
        Finish::ContextFull => "the model can read no more",
    };
    let cut = if answer.truncated_prompt { " The front of the prompt was cut off to fit the model." } else { "" };
    let decoding = match tokens {
        0 | 1 => String::new(),
        _ => rate(tokens - 1, answer.latency_ms - answer.first_ms),
    };
    // Only of the same model, asked the same.
    let node = state.row.as_ref().and_then(|row| row.node_here.as_ref());
    let recorded = node.filter(|node| node.is_asked(&decoder.model, &ask.request)).map(|node| {
        let NodeHere { node, latency_ms, tokens_out, .. } = node;
        format!(" Recorded for {node}: {tokens_out} tokens in {}.", format::duration(*latency_ms))
    });
    format!(
        "{} ({finish}) in {}, after a prompt of {} read in {}{decoding}.{cut}{}",
        format::counted(u64::from(tokens), "token", "tokens"),
        format::duration(answer.latency_ms),
        format::counted(u64::from(answer.tokens_in), "token", "tokens"),
        format::duration(answer.first_ms),
        recorded.unwrap_or_default()
    )
}
