//! `poq models fetch`, `generate` and `embed`. The real weights must be in the cache: `./lab test` brings them there.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use crate::support::{Ran, command, poq, run, write};

const DECODER: &str = "smollm2-135m-instruct";
const ENCODER: &str = "all-minilm-l6-v2";

fn with_cache(cache: &Path, arguments: &[&str]) -> Ran {
    let mut command = command(arguments);
    command.env("POQ_CACHE", cache);
    run(command, "")
}

/// Folder of fetched weights, as `poq models list` prints it.
fn fetched(name: &str) -> PathBuf {
    let list = poq(&["models", "list"], "");
    let line = list.succeeds().out.lines().find(|line| line.starts_with(name)).expect("a known model").to_owned();
    let folder = PathBuf::from(line.split('\t').nth(3).expect("four columns"));
    assert!(folder.is_dir(), "{name} is not in the cache: run `poq models fetch {name}`");
    folder
}

#[test]
fn weights_come_from_a_folder_and_are_checked() {
    let cache = tempfile::tempdir().expect("a folder");
    let source = fetched(ENCODER);
    with_cache(cache.path(), &["models", "fetch", ENCODER, "--from", source.to_str().expect("UTF-8")]).succeeds();
    let again = with_cache(cache.path(), &["models", "fetch", ENCODER, "--from", "/nowhere"]);
    assert!(again.succeeds().err.contains("already in"));

    let broken = tempfile::tempdir().expect("a folder");
    for name in ["tokenizer.json", "config.json", "sentence_bert_config.json"] {
        fs::copy(source.join(name), broken.path().join(name)).expect("a copy");
    }
    let fetch = |cache: &Path| {
        with_cache(cache, &["models", "fetch", ENCODER, "--from", broken.path().to_str().expect("UTF-8")])
    };
    let empty = tempfile::tempdir().expect("a folder");
    fetch(empty.path()).fails(2, &["model.safetensors"]);
    fs::write(broken.path().join("model.safetensors"), "short").expect("a file");
    fetch(empty.path()).fails(2, &["model.safetensors", "5 bytes", "should have 90868376"]);
    let mut bytes = fs::read(source.join("model.safetensors")).expect("weights");
    bytes[1 << 20] ^= 1;
    fs::write(broken.path().join("model.safetensors"), bytes).expect("a file");
    fetch(empty.path()).fails(2, &["model.safetensors", "SHA-256"]);
    let left: Vec<_> = fs::read_dir(empty.path().join("models").join(ENCODER)).expect("a folder").collect();
    assert!(left.is_empty(), "something half stays behind: {left:?}");
}

/// The path that a request names, and the first byte that it asks for.
fn asked(stream: &TcpStream) -> (String, usize) {
    let reader = BufReader::new(stream.try_clone().expect("a handle"));
    let lines: Vec<String> = reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = lines[0].split(' ').nth(1).expect("a path").to_owned();
    let range = lines.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    (path, range.map_or(0, |range| range.trim_end_matches('-').parse().expect("a number")))
}

#[test]
fn a_download_that_broke_off_goes_on() {
    let source = fs::read(fetched(DECODER).join("SmolLM2-135M-Instruct.Q4_1.gguf")).expect("weights");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/weights.gguf", listener.local_addr().expect("an address"));
    let server = std::thread::spawn(move || {
        let mut starts = Vec::new();
        for (index, stream) in listener.incoming().take(2).enumerate() {
            let mut stream = stream.expect("a connection");
            let (_, start) = asked(&stream);
            starts.push(start);
            let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", source.len() - start);
            stream.write_all(head.as_bytes()).expect("the head is sent");
            // The first answer breaks off in the middle.
            let end = if index == 0 { source.len() / 3 } else { source.len() };
            stream.write_all(&source[start..end]).expect("the body is sent");
        }
        starts
    });
    let cache = tempfile::tempdir().expect("a folder");
    let fetch = || with_cache(cache.path(), &["models", "fetch", DECODER, "--from", &address]);
    fetch().fails(1, &["cannot download"]);
    let listed = with_cache(cache.path(), &["models", "list"]);
    assert!(listed.succeeds().out.lines().any(|line| line.starts_with(DECODER) && line.contains("not fetched")));
    fetch().succeeds();
    let starts = server.join().expect("the server ends");
    assert!(starts[0] == 0 && starts[1] > 0, "{starts:?}");
}

/// An answer of a server: status, further header lines, and the body's length as told and its bytes.
struct Answer<'a> {
    status: &'a str,
    header: &'a str,
    told: usize,
    body: &'a [u8],
}

impl<'a> Answer<'a> {
    fn new(status: &'a str, header: &'a str, body: &'a [u8]) -> Self {
        Self { status, header, told: body.len(), body }
    }

    /// A body that breaks off.
    fn broken(body: &'a [u8]) -> Self {
        Self { told: body.len() + 1000, ..Self::new("200 OK", "", body) }
    }
}

/// Fetches the decoder from a server once for each answer; `check` sees what came of each. Gives the first byte that
/// each request asked for.
fn fetch_from(cache: &Path, answers: &[Answer<'_>], mut check: impl FnMut(usize, Ran)) -> Vec<usize> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/weights.gguf", listener.local_addr().expect("an address"));
    let mut starts = Vec::new();
    for (index, answer) in answers.iter().enumerate() {
        let start = std::thread::scope(|scope| {
            let server = scope.spawn(|| {
                let (mut stream, _) = listener.accept().expect("a connection");
                let (_, start) = asked(&stream);
                let Answer { status, header, told, body } = answer;
                let head = format!("HTTP/1.1 {status}\r\n{header}Content-Length: {told}\r\nConnection: close\r\n\r\n");
                // A client that has seen enough hangs up.
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
                start
            });
            check(index, with_cache(cache, &["models", "fetch", "SmolLM2-135M-Instruct", "--from", &address]));
            server.join().expect("the server ends")
        });
        starts.push(start);
    }
    starts
}

/// Parts of downloads that are kept.
fn parts_of(cache: &Path) -> Vec<PathBuf> {
    let folder = fs::read_dir(cache.join("downloads")).expect("a folder");
    folder.map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn a_sign_in_page_is_discarded_and_a_server_without_ranges_begins_anew() {
    let source = fs::read(fetched(DECODER).join("SmolLM2-135M-Instruct.Q4_1.gguf")).expect("weights");
    let cache = tempfile::tempdir().expect("a folder");
    let page = b"<!DOCTYPE html><html><title>Sign in</title></html>";
    let answers = [
        Answer::new("200 OK", "Content-Type: text/html\r\n", page),
        Answer::broken(&source[..1 << 20]),
        Answer::new("200 OK", "", &source),
    ];
    let starts = fetch_from(cache.path(), &answers, |index, ran| match index {
        0 => {
            ran.fails(1, &["a web page", "discarded", "begins anew"]);
            assert!(parts_of(cache.path()).is_empty());
        }
        1 => {
            ran.fails(1, &["cannot download"]);
            assert_eq!(parts_of(cache.path()).len(), 1, "what came is kept");
        }
        _ => assert!(ran.succeeds().err.contains("in ")),
    });
    assert!(starts[..2] == [0, 0] && starts[2] > 0, "{starts:?}");
    assert!(parts_of(cache.path()).is_empty());
}

#[test]
fn answers_that_are_not_the_file_are_discarded() {
    let whole = "206 Partial Content";
    let json = br#"{"error": "not found"}"#;
    for (answer, named) in [
        (Answer::new("200 OK", "", b"short"), "5 bytes, should have 98362432"),
        (Answer::new("200 OK", "", json), "22 bytes"),
        (Answer::new("200 OK", "", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "a Git LFS pointer"),
        (Answer::new(whole, "Content-Range: bytes 0-4/98362432\r\n", b"GGUF\x03"), "another part than was asked for"),
        (Answer::new(whole, "Content-Range: bytes 6-10/11\r\n", b"world"), "11 bytes, should have"),
        (Answer::new("416 Range Not Satisfiable", "", b""), "6 bytes, should have"),
    ] {
        let cache = tempfile::tempdir().expect("a folder");
        let answers = [Answer::broken(b"GGUF\x03\0"), answer, Answer::new("200 OK", "", b"short")];
        let starts = fetch_from(cache.path(), &answers, |index, ran| match index {
            0 => assert_eq!((ran.code, parts_of(cache.path()).len()), (Some(1), 1), "{}", ran.err),
            1 => {
                ran.fails(1, &[named, "begins anew"]);
                assert!(parts_of(cache.path()).is_empty(), "{named}");
            }
            _ => ran.fails(1, &["5 bytes"]),
        });
        assert_eq!(starts, [0, 6, 0], "{named}");
    }
    // No end to it, as far as the model goes.
    let cache = tempfile::tempdir().expect("a folder");
    let endless = vec![7; 2 * 98_362_432 + 1];
    fetch_from(cache.path(), &[Answer::new("200 OK", "", &endless)], |_, ran| {
        ran.fails(1, &["more than", "discarded"])
    });
    assert!(parts_of(cache.path()).is_empty());
}

/// A model whose file comes in four parts, the first three of so many bytes.
const PARTED: &str = "gemma-3-270m";
const PART_BYTES: usize = 63_963_136;

fn parted() -> Vec<u8> {
    fs::read(fetched(PARTED).join("gemma-3-270m-Q4_K_M.gguf")).expect("weights")
}

fn fetch_parted(cache: &Path, from: &[String]) -> Ran {
    let mut arguments = vec!["models", "fetch", PARTED];
    from.iter().for_each(|from| arguments.extend(["--from", from.as_str()]));
    with_cache(cache, &arguments)
}

#[test]
fn parts_are_joined_and_one_that_broke_off_goes_on() {
    let source = parted();
    let parts: Vec<&[u8]> = source.chunks(PART_BYTES).collect();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let from: Vec<String> = (0..4).map(|part| format!("http://{address}/{part}")).collect();
    let cache = tempfile::tempdir().expect("a folder");
    // Each request: its part, and the first byte that it asks for. The second answer breaks off in the middle.
    let serve = |requests: usize, broken: Option<usize>| -> Vec<(usize, usize)> {
        let mut seen = Vec::new();
        for index in 0..requests {
            let (mut stream, _) = listener.accept().expect("a connection");
            let (path, start) = asked(&stream);
            let part: usize = path.trim_start_matches('/').parse().expect("a part");
            seen.push((part, start));
            let body = &parts[part][start..];
            let status = match (start, body.len()) {
                (0, _) => "200 OK",
                (_, 0) => "416 Range Not Satisfiable",
                _ => "206 Partial Content",
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let sent = if broken == Some(index) { body.len() / 3 } else { body.len() };
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body[..sent])).expect("it is sent");
        }
        seen
    };
    let with_server = |requests, broken| {
        std::thread::scope(|scope| {
            let server = scope.spawn(|| serve(requests, broken));
            (fetch_parted(cache.path(), &from), server.join().expect("the server ends"))
        })
    };
    let (ran, seen) = with_server(2, Some(1));
    ran.fails(1, &["cannot download", "/1"]);
    assert_eq!(seen, [(0, 0), (1, 0)]);
    let (ran, seen) = with_server(4, None);
    ran.succeeds();
    assert!(seen[1].1 > 0, "{seen:?}");
    assert_eq!(seen, [(0, PART_BYTES), (1, seen[1].1), (2, 0), (3, 0)]);
    let joined = fs::read(cache.path().join("models").join(PARTED).join("gemma-3-270m-Q4_K_M.gguf")).expect("a file");
    assert!(joined == source, "the joined file is another");
    assert!(parts_of(cache.path()).is_empty());
}

#[test]
fn parts_that_do_not_belong_together_are_named() {
    let mut source = parted();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |part: usize| folder.path().join(format!("gemma-3-270m-q4_k_m.gguf.part0{part}"));
    let place = folder.path().to_str().expect("UTF-8").to_owned();
    let cache = tempfile::tempdir().expect("a folder");
    fetch_parted(cache.path(), std::slice::from_ref(&place)).fails(2, &["there is no gemma-3-270m-Q4_K_M.gguf in it"]);
    for (part, bytes) in source.chunks(PART_BYTES).enumerate().filter(|(part, _)| *part != 2) {
        fs::write(path(part), bytes).expect("a file");
    }
    fetch_parted(cache.path(), std::slice::from_ref(&place)).fails(2, &["part 3 of 4", "is not in it"]);
    fs::write(path(2), &source[2 * PART_BYTES..3 * PART_BYTES]).expect("a file");

    let all: Vec<String> = (0..4).map(|part| path(part).to_str().expect("UTF-8").to_owned()).collect();
    fetch_parted(cache.path(), &all[..3]).fails(2, &["--from names 3", "its 4 parts in order"]);
    let swapped = [&all[1], &all[0], &all[2], &all[3]].map(Clone::clone);
    fetch_parted(cache.path(), &swapped).fails(2, &["part01", "part 1 of 4", "SHA-256"]);
    // Another version of one of them.
    source[PART_BYTES + 1000] ^= 1;
    fs::write(path(1), &source[PART_BYTES..2 * PART_BYTES]).expect("a file");
    fetch_parted(cache.path(), &all).fails(2, &["part01", "part 2 of 4", "of another version", "SHA-256"]);
    fetch_parted(cache.path(), std::slice::from_ref(&place)).fails(2, &["part01", "part 2 of 4"]);
    let left: Vec<_> = fs::read_dir(cache.path().join("models").join(PARTED)).expect("a folder").collect();
    assert!(left.is_empty(), "something half stays behind: {left:?}");
    // What is named is the user's, and stays.
    assert!(all.iter().all(|path| Path::new(path).exists()));
}

#[test]
fn models_are_known_by_the_names_of_the_hub_too() {
    let hello = "{\"text\": \"hello\"}\n";
    let embed = |name: &str| poq(&["embed", "--model", name], hello).succeeds().rows();
    let expected = embed(ENCODER);
    for name in ["all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2", "Sentence-Transformers/ALL-minilm-l6-v2"]
    {
        assert_eq!(embed(name), expected, "{name}");
    }
    for name in ["SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"] {
        let err = poq(&["models", "fetch", name], "").succeeds().err.clone();
        assert!(err.contains("smollm2-135m-instruct: already in"), "{err}");
    }
    poq(&["embed", "--model", "someone/all-MiniLM-L6-v2"], hello).fails(2, &["no such file or folder", ENCODER]);
    poq(&["generate", "--model", "all-MiniLM-L6-v2"], "")
        .fails(2, &["no .gguf file of a decoder", "model.safetensors"]);
    poq(&["embed", "--model", "SmolLM2-135M-Instruct"], hello).fails(2, &["there is no config.json"]);
}

#[test]
fn unknown_models_are_named() {
    poq(&["models", "fetch", "gpt-9"], "").fails(2, &["gpt-9", DECODER, ENCODER]);
    let cache = tempfile::tempdir().expect("a folder");
    with_cache(cache.path(), &["embed", "--model", ENCODER]).fails(1, &["poq models fetch"]);
}

#[test]
fn generate_answers_prompts_and_messages() {
    let input = concat!(
        r#"{"prompt": "The capital of France is"}"#,
        "\n",
        r#"{"messages": [{"role": "user", "content": "What is the capital of France?"}]}"#,
        "\n",
        r#"{"prompt": "x", "messages": []}"#,
        "\n"
    );
    let ran = poq(&["generate", "--model", DECODER, "--max-tokens", "8"], input);
    ran.fails(3, &["row 3", "either `prompt` or `messages`"]);
    let rows = ran.rows();
    assert!(rows[0]["text"].as_str().is_some_and(|text| text.contains("Paris")), "{}", rows[0]);
    assert!(rows[1]["text"].as_str().is_some_and(|text| text.contains("Paris")), "{}", rows[1]);
    assert_eq!(rows[0]["token_ids"].as_array().map(Vec::len).map(|n| n as u64), rows[0]["tokens_out"].as_u64());
    assert!(rows[0]["latency_ms"].as_f64().is_some_and(|latency| latency > 0.0));
}

#[test]
fn sampling_repeats_with_its_seed() {
    let sample = |seed: &str| {
        let arguments = ["generate", "--model", DECODER, "--max-tokens", "12", "--temperature", "1", "--seed", seed];
        poq(&arguments, "{\"prompt\": \"Once upon a time\"}\n").succeeds().rows()[0]["token_ids"].clone()
    };
    assert_eq!(sample("1"), sample("1"));
    assert_ne!(sample("1"), sample("2"));
}

#[test]
fn embeddings_have_unit_length_and_long_texts_a_notice() {
    let long = "word ".repeat(600);
    let input = format!("{{\"text\": \"hello\"}}\n{{\"text\": \"{long}\"}}\n{{\"text\": \"\"}}\n");
    let ran = poq(&["embed", "--model", ENCODER], &input);
    assert!(ran.succeeds().err.contains("row 2"), "{}", ran.err);
    for row in ran.rows() {
        let vector: Vec<f64> =
            row["embedding"].as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect();
        assert_eq!(vector.len(), 384);
        let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
    assert_eq!(ran.rows()[1]["tokens"], 256);
}

/// Two batches, the second of them short; a row that cannot be read keeps its place, and takes none of the others'.
#[test]
fn texts_embedded_together_are_as_each_alone() {
    let long = "word ".repeat(600);
    let input = [
        r#"{"text": "hello"}"#,
        r#"{"texts": 1}"#,
        "",
        &format!(r#"{{"text": "{long}"}}"#),
        r#"{"text": ""}"#,
        r#"{"text": "The owl judges."}"#,
    ]
    .join("\n");
    let embed = |batch: &str| {
        let ran = poq(&["embed", "--model", ENCODER, "--batch", batch], &input);
        ran.fails(3, &["row 2", "row 4: the text was cut to the model's 256 tokens"]);
        ran.rows()
    };
    let (together, alone) = (embed("3"), embed("1"));
    assert_eq!((together.len(), alone.len()), (5, 5));
    for (index, (together, alone)) in together.iter().zip(&alone).enumerate() {
        if index == 1 {
            assert!(
                together["error"].as_str().is_some_and(|error| error.contains("missing field `text`")),
                "{together}"
            );
            continue;
        }
        assert_eq!(together["tokens"], alone["tokens"]);
        let [together, alone] = [together, alone].map(|row| row["embedding"].as_array().expect("a list"));
        assert_eq!((together.len(), alone.len()), (384, 384));
        for (together, alone) in together.iter().zip(alone) {
            let [together, alone] = [together, alone].map(|x| x.as_f64().expect("a number"));
            assert!((together - alone).abs() < 1e-5, "row {index}: {together} for {alone}");
        }
    }
}

#[test]
fn texts_that_a_dataset_cuts_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let task = |id: &str, context: &str| {
        let task = serde_json::json!({
            "id": id, "kind": "qa", "prompt": "Who judges?", "context": context, "references": ["the owl"],
        });
        format!("{task}\n")
    };
    let tasks = task("short", "The owl judges.") + &task("long", &"The owl judges. ".repeat(200));
    let tasks = write(folder.path(), "tasks.jsonl", &tasks);
    let plan = format!(
        r#"
            id = "test"
            licences = "none"
            [[tasks]]
            path = {tasks:?}
            [[inference_nodes]]
            id = "lead"
            name = "Lead"
            kind = "lead"
            [[evaluators]]
            id = "by-prompt"
            name = "By prompt"
            kind = "bi_encoder"
            model = "sentence-transformers/all-MiniLM-L6-v2"
            against = "prompt"
        "#
    );
    let plan = write(folder.path(), "plan.toml", &plan);
    let out = folder.path().join("data");
    let ran = poq(&["precompute", &plan, "--out", out.to_str().expect("UTF-8")], "");
    let notice = "by-prompt: in 1 of its scores the end of a text was cut to the model's 256 tokens";
    assert!(ran.succeeds().err.contains(notice), "{}", ran.err);
}

#[test]
fn corrupt_weights_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = write(folder.path(), "text.gguf", "this is not a model");
    poq(&["generate", "--model", &text], "").fails(2, &["GGUF"]);
    let whole = fs::read(fetched(DECODER).join("SmolLM2-135M-Instruct.Q4_1.gguf")).expect("weights");
    let cut = folder.path().join("cut.gguf");
    fs::write(&cut, &whole[..whole.len() / 2]).expect("a file");
    poq(&["generate", "--model", cut.to_str().expect("UTF-8")], "").fails(2, &[]);
    let empty = tempfile::tempdir().expect("a folder");
    poq(&["generate", "--model", empty.path().to_str().expect("UTF-8")], "").fails(2, &[".gguf"]);
    poq(&["embed", "--model", empty.path().to_str().expect("UTF-8")], "").fails(2, &["config.json"]);
}

/// A model whose files come in one archive, itself in five parts.
#[test]
fn a_model_of_an_archive_is_taken_from_its_files_or_from_the_archive() {
    const ARCHIVED: &str = "all-mpnet-base-v2";
    let source = fetched(ARCHIVED);
    let cache = tempfile::tempdir().expect("a folder");
    let fetch = |from: &[&str]| {
        let mut arguments = vec!["models", "fetch", ARCHIVED];
        from.iter().for_each(|from| arguments.extend(["--from", from]));
        with_cache(cache.path(), &arguments)
    };
    fetch(&[source.to_str().expect("UTF-8")]).succeeds();
    for name in ["modules.json", "1_Pooling/config.json", "model.safetensors"] {
        let taken = cache.path().join("models").join(ARCHIVED).join(name);
        assert_eq!(fs::metadata(&taken).expect("a file").len(), fs::metadata(source.join(name)).expect("a file").len());
    }
    fs::remove_dir_all(cache.path().join("models")).expect("it was there");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    fetch(&[&path("")]).fails(2, &["there is no all-mpnet-base-v2.zip in it"]);
    fs::write(path("all-mpnet-base-v2.zip.001"), "no part of a zip").expect("a file");
    fetch(&[&path("")]).fails(2, &["all-mpnet-base-v2.zip.001", "part 1 of 5 of all-mpnet-base-v2.zip"]);
    fetch(&[&path("a"), &path("b")]).fails(2, &["--from names 2", "its 5 parts in order"]);
    assert!(!cache.path().join("models").join(ARCHIVED).join("model.safetensors").exists());
}
