use super::*;

const MINILM: &str = "all-minilm-l6-v2";

fn after(state: State, actions: impl IntoIterator<Item = Action>) -> State {
    let state = actions.into_iter().fold(Rc::new(state), |state, action| state.reduce(action));
    Rc::unwrap_or_clone(state)
}

/// What the program that runs says.
fn says(state: State, messages: impl IntoIterator<Item = FromInference>) -> State {
    messages.into_iter().fold(state, |state, message| {
        let number = state.program.1;
        after(state, [Action::Heard(number, message)])
    })
}

fn ready(kind: DeviceKind) -> FromInference {
    FromInference::Ready(DeviceReport { kind, name: "a device".to_owned(), has_half: false })
}

fn stored(model: &str) -> Action {
    Action::Load(Source::Stored(model.to_owned()))
}

fn file() -> Source {
    Source::File { name: "my.gguf".to_owned(), number: 0 }
}

fn loaded(model: &str, decoder: bool) -> FromInference {
    let zero = 0.0;
    FromInference::Loaded(Loaded {
        model: model.to_owned(),
        decoder,
        check_ms: zero,
        upload_ms: Some(zero),
        known_answer: None,
        cpu_cosine: None,
        difference: None,
    })
}

fn failed(model: &str, blame: Blame) -> FromInference {
    FromInference::LoadFailed { model: model.to_owned(), words: "why".to_owned(), blame }
}

fn lost() -> FromInference {
    FromInference::Lost("gone".to_owned())
}

/// On the small program, where there is a GPU.
fn looking() -> State {
    says(after(State::default(), [Action::Gpu(Gpu::Offered("a GPU".to_owned()))]), [ready(DeviceKind::Cpu)])
}

fn on_gpu() -> State {
    says(after(looking(), [stored(MINILM)]), [ready(DeviceKind::WebGpu)])
}

#[test]
fn the_large_program_comes_with_the_first_model_that_is_to_run_on_the_gpu() {
    assert_eq!(looking().program, (DeviceKind::Cpu, 0));
    for source in [Source::Stored(MINILM.to_owned()), file()] {
        let state = after(looking(), [Action::Load(source.clone())]);
        assert_eq!((state.program, state.next()), ((DeviceKind::WebGpu, 1), None));
        assert_eq!(says(state, [ready(DeviceKind::WebGpu)]).next(), Some(&source));
    }

    let absent = after(State::default(), [Action::Gpu(Gpu::Absent("none".to_owned()))]);
    let absent = after(says(absent, [ready(DeviceKind::Cpu)]), [stored(MINILM)]);
    assert_eq!((absent.program, absent.next().map(Source::name)), ((DeviceKind::Cpu, 0), Some(MINILM)));

    // Whoever chooses the CPU has it at once, and the GPU with a model.
    let state = says(on_gpu(), [failed(MINILM, Blame::Model)]);
    let state = after(state, [Action::Want(DeviceKind::Cpu)]);
    assert_eq!(state.program, (DeviceKind::Cpu, 2));
    assert_eq!(after(state, [Action::Want(DeviceKind::WebGpu)]).program, (DeviceKind::Cpu, 2));
}

#[test]
fn a_model_that_comes_during_work_is_loaded_after_it() {
    let came = FromInference::TransferEnded { model: MINILM.to_owned(), fault: None };
    let state = says(after(looking(), [Action::Begin(Work::Rescore)]), [came]);
    assert_eq!((state.program, state.doing, state.next()), ((DeviceKind::Cpu, 0), Some(Work::Rescore), None));
    let work = state.work;
    let state = says(state, [FromInference::Rescored { work, outcome: Err("why".to_owned()) }]);
    assert_eq!((state.program, state.to_load.len()), ((DeviceKind::WebGpu, 1), 1));
}

#[test]
fn a_gpu_that_fails_is_named_and_its_models_go_to_the_cpu() {
    for (blame, fault) in [
        (Blame::DeviceIsWrong, "a device: it computes wrongly: why"),
        (Blame::DeviceIsSmall, "a device: it has no room: why"),
        (Blame::DeviceFailed, "a device: it failed: why"),
    ] {
        let state = says(on_gpu(), [failed(MINILM, blame)]);
        assert_eq!(state.program, (DeviceKind::Cpu, 2));
        assert_eq!(state.to_load, [Source::Stored(MINILM.to_owned())]);
        assert_eq!(state.fell_back.as_deref(), Some(fault));
    }

    // A file goes there too.
    let opening = says(after(on_gpu(), [Action::Load(file())]), [loaded(MINILM, false)]);
    let state = says(opening, [failed("my.gguf", Blame::DeviceIsWrong)]);
    assert_eq!((state.program.0, &state.to_load[1..]), (DeviceKind::Cpu, &[file()][..]));

    // A file that is damaged is no fault of the device.
    let state = says(on_gpu(), [failed(MINILM, Blame::Model)]);
    assert_eq!((state.program, state.fell_back), ((DeviceKind::WebGpu, 1), None));
    assert_eq!((state.to_load.len(), state.load_fault), (0, Some((MINILM.to_owned(), "why".to_owned()))));
}

#[test]
fn what_was_loaded_on_a_lost_gpu_is_loaded_again_on_the_cpu_and_its_work_has_ended() {
    let state = says(after(on_gpu(), [Action::Load(file())]), [loaded(MINILM, false), loaded("my.gguf", true)]);
    let state = says(after(state, [Action::Begin(Work::Rescore)]), [lost()]);
    assert_eq!((state.program.0, state.doing), (DeviceKind::Cpu, None));
    assert_eq!(state.to_load, [Source::Stored(MINILM.to_owned()), file()]);
    assert!(state.rescored.as_ref().is_some_and(|outcome| outcome.is_err()));
    // What the lost one still says is not heard.
    let late = after(state.clone(), [Action::Heard(1, lost()), Action::Stopped(1, "error".to_owned())]);
    assert!(late == state);

    // Without the CPU there is nothing to fall back to.
    let state = says(State::default(), [ready(DeviceKind::Cpu), lost()]);
    assert_eq!(state.fault.as_deref(), Some("gone"));
    let again = after(state, [Action::Again]);
    assert_eq!((again.program, again.fault), ((DeviceKind::Cpu, 1), None));
}

#[test]
fn an_evaluator_scores_with_a_model_of_either_role() {
    let evaluator = |model: Option<&str>| EvaluatorHere {
        id: "x".to_owned(),
        name: "X".to_owned(),
        model: model.map(|model| ModelHere::Known(model.to_owned())),
    };
    let decoder = "qwen2.5-coder-0.5b-instruct";
    let state = says(after(on_gpu(), [stored(decoder)]), [loaded(MINILM, false), loaded(decoder, true)]);
    for model in [None, Some(MINILM), Some(decoder)] {
        assert!(state.can_score(&evaluator(model)), "{model:?}");
    }
    assert!(!state.can_score(&evaluator(Some("all-mpnet-base-v2"))));
    assert!(!on_gpu().can_score(&evaluator(Some(decoder))));
}

/// A dataset whose evaluators need these.
fn corpus(models: impl IntoIterator<Item = ModelHere>) -> FromInference {
    let evaluator = |model: ModelHere| EvaluatorHere { id: "x".to_owned(), name: "X".to_owned(), model: Some(model) };
    FromInference::Corpus(Ok(Corpus {
        shipped: Shipped::default(),
        id: "x".to_owned(),
        prompts: Vec::new(),
        nodes: Vec::new(),
        hardware: String::new(),
        evaluators: models.into_iter().map(evaluator).collect(),
        others: Vec::new(),
    }))
}

#[test]
fn a_folder_is_loaded_once_the_dataset_is_read_and_again_on_another_device() {
    let judges = || ModelHere::Folder { name: "judges".to_owned(), file: "f".to_owned(), key: "1".to_owned() };
    let folder = |key: &str| Source::Folder { name: "judges".to_owned(), key: key.to_owned(), number: Some(0) };
    let known = ModelHere::Known(MINILM.to_owned());
    let opened = || after(says(on_gpu(), [loaded(MINILM, false)]), [Action::Load(folder("1"))]);
    assert_eq!(opened().next(), None, "what is in it is not known yet");
    let state = says(opened(), [corpus([judges(), known])]);
    assert_eq!(state.next(), Some(&folder("1")));
    assert_eq!(state.folders(), [(&judges(), vec!["X"])]);
    let state = says(state, [loaded("judges", false)]);
    assert!(state.loaded(&judges()).is_some() && state.encoders.len() == 2, "beside the known model");
    // Of the same name, with another hash.
    let other = ModelHere::Folder { name: "judges".to_owned(), file: "f".to_owned(), key: "2".to_owned() };
    assert!(state.loaded(&other).is_none());

    // Where the dataset changes and changes back meanwhile, it is asked for once.
    let step = || FromInference::Loading { model: "judges".to_owned(), step: LoadStep::Check };
    let begun = says(says(opened(), [corpus([judges()])]), [step()]);
    let another = || corpus([ModelHere::Known(MINILM.to_owned())]);
    for heard in [corpus([judges()]), another()] {
        let changed = says(begun.clone(), [heard]);
        assert_eq!((changed.next(), changed.to_load.len()), (None, 1));
        let came = says(changed, [loaded("judges", false)]);
        assert!(came.to_load.is_empty() && came.loading.is_none() && came.encoders.len() == 2);
    }
    let gone = says(says(begun, [loaded("judges", false)]), [another()]);
    assert!(gone.loaded(&judges()).is_none() && gone.encoders.len() == 1, "of no use any more");

    let state = says(state, [lost()]);
    assert_eq!(state.to_load, [Source::Stored(MINILM.to_owned()), folder("1")]);
    // A dataset that does not name it has no use for it, and one that cannot be read cannot check it.
    for heard in [corpus([other]), FromInference::Corpus(Err("why".to_owned()))] {
        assert_eq!(says(state.clone(), [heard]).to_load, [Source::Stored(MINILM.to_owned())]);
    }
}

#[test]
fn a_decoder_makes_room_for_the_next_one() {
    let state = says(after(on_gpu(), [Action::Load(file())]), [loaded(MINILM, false), loaded("my.gguf", true)]);
    let step = |step| FromInference::Loading { model: "other.gguf".to_owned(), step };
    let other = Source::File { name: "other.gguf".to_owned(), number: 1 };
    let state = says(after(state, [Action::Load(other)]), [step(LoadStep::Check)]);
    assert!(state.decoder.is_some());
    let state = says(state, [step(LoadStep::Upload)]);
    assert!(state.decoder.is_none() && state.encoders.len() == 1);
}

#[test]
fn an_answer_is_shown_as_it_ended() {
    let state = after(State::default(), [Action::Begin(Work::Generate)]);
    let work = state.work;
    let token = FromInference::Token { work, text: "noon\n\n".to_owned(), tokens: 2, ms: 1.0 };
    let answer = Generated {
        text: "noon".to_owned(),
        token_ids: vec![1, 2],
        tokens_in: 3,
        finish: poq_inference::protocol::Finish::Stopped,
        truncated_prompt: false,
        first_ms: 1.0,
        latency_ms: 2.0,
    };
    let state = says(state, [token, FromInference::Generated { work, outcome: Ok(answer) }]);
    assert_eq!(state.ask.text, "noon");
}

#[test]
fn answers_to_work_that_was_replaced_are_not_heard() {
    let token = |work| FromInference::Token { work, text: "x".to_owned(), tokens: 1, ms: 1.0 };
    let state = says(after(State::default(), [Action::Begin(Work::Generate)]), [token(1), token(0)]);
    assert_eq!(state.ask.text, "x");
    let state = says(after(state, [Action::Begin(Work::Generate)]), [token(1)]);
    assert_eq!(state.ask.text, "");
}

#[test]
fn a_typed_task_has_its_references_one_a_line() {
    let references = |text: &str| Form { references: text.to_owned(), ..State::default().form }.task().references;
    assert_eq!(references(" a \n\nb"), ["a", "b"]);
    assert_eq!(references(""), [""]);
}

#[test]
fn a_program_that_is_being_built_is_waited_for_and_one_before_it_is_not_heard() {
    let state = after(State::default(), [Action::IsBuilt(0)]);
    assert!(state.is_built && state.fault.is_none() && super::super::words::device(&state) == super::super::IS_BUILT);
    let state = says(state, [ready(DeviceKind::Cpu)]);
    assert!(!state.is_built && state.device.is_some());
    let state = after(state, [Action::IsBuilt(7)]);
    assert!(!state.is_built, "of another program");
}

#[test]
fn a_model_lies_beside_the_page_only_with_every_file() {
    let model = weights::known(MINILM).expect("known");
    let all: Vec<String> = model.files.iter().map(|file| file.name.to_owned()).collect();
    let beside = |files: &[String]| {
        let listed = BTreeMap::from([(MINILM.to_owned(), files.to_vec())]);
        after(State::default(), [Action::Beside(listed)]).is_beside(model)
    };
    assert!(beside(&all) && !beside(&all[1..]) && !beside(&[]) && !State::default().is_beside(model));
}
