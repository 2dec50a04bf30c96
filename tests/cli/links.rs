//! `poq link`.

use crate::support::{poq, write};

#[test]
fn a_link_goes_there_and_back_and_reproduces() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(folder.path(), "s.json", r#"{"rounds": 900, "seed": 5, "reward": {"beta_evaluator": 0.3}}"#);
    let link = poq(&["link", "encode", &file, "--page", "http://127.0.0.1:8080/"], "");
    let link = link.succeeds().out.trim();
    assert!(link.starts_with("http://127.0.0.1:8080/#1.") && link.len() < 1500, "{link}");
    let decoded = poq(&["link", "decode", link, "--replay"], "");
    assert!(decoded.err.contains("Reproduced"), "{}", decoded.err);
    assert_eq!(decoded.json()["reward"]["beta_evaluator"], 0.3);
    let again = poq(&["link", "encode", "-"], &decoded.out);
    assert_eq!(again.succeeds().out.trim(), &link["http://127.0.0.1:8080/".len()..]);
    assert_eq!(poq(&["link", "decode", "-"], link).json(), decoded.json());
    let digest = poq(&["simulate", &file, "--json"], "").json()["digest"].clone();
    assert!(decoded.err.contains(digest.as_str().expect("a digest")));
}

#[test]
fn bad_links_are_told_apart() {
    poq(&["link", "decode", "hello"], "").fails(2, &["not a share link"]);
    poq(&["link", "decode", "#7.abc"], "").fails(2, &["version 7", "newer"]);
    poq(&["link", "decode", "#1.@@@"], "").fails(2, &["damaged"]);
    poq(&["link", "decode", "#1."], "").fails(2, &["damaged"]);
    poq(&["link", "decode", "-"], &"x".repeat(1 << 20)).fails(2, &["characters long"]);
    let link = poq(&["link", "encode", "--rounds", "10"], "").succeeds().out.trim().to_owned();
    poq(&["link", "decode", &link[..link.len() / 2]], "").fails(2, &["damaged"]);
}

/// The three outcomes of a replay are told by the exit code.
#[test]
fn a_replay_is_told_by_its_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let plan = crate::support::small_plan(folder.path(), "");
    let data = data.to_str().expect("UTF-8");
    poq(&["precompute", &plan, "--out", data], "").succeeds();
    let link = |arguments: &[&str]| {
        let ran = poq(&[&["link", "encode", "--rounds", "60"], arguments].concat(), "");
        ran.succeeds().out.trim().to_owned()
    };
    let (here, other) = (link(&[]), link(&["--dataset", data]));
    let replay = |link: &str, arguments: &[&str]| poq(&[&["link", "decode", link, "--replay"], arguments].concat(), "");
    assert!(replay(&here, &[]).succeeds().err.contains("Reproduced"));
    assert!(replay(&other, &["--dataset", data]).succeeds().err.contains("Reproduced"));
    replay(&other, &[]).fails(5, &["Not comparable", "--dataset"]);
    replay(&here, &["--dataset", data]).fails(5, &["Not comparable", "poq-lab-2"]);
    assert_eq!(replay(&other, &[]).json_anyway()["rounds"], 60);
    // A link made on an older shipped dataset finds it, by the id that it names.
    let older = link(&["--dataset", "poq-lab-1"]);
    assert!(replay(&older, &[]).succeeds().err.contains("Reproduced"));
    replay(&older, &["--dataset", "poq-lab-2"]).fails(5, &["Not comparable", "poq-lab-1", "poq-lab-2"]);
    // Another digest than the run gives; and no digest at all.
    let mut link: poq_core::link::Link = here.parse().expect("a link");
    link.digest = Some("0".repeat(64));
    replay(&link.to_string(), &[]).fails(4, &["Not reproduced", "000000000000"]);
    link.digest = None;
    replay(&link.to_string(), &[]).fails(5, &["no result to compare"]);
    link.digest = Some("0".repeat(64));
    link.engine_version = Some("0".into());
    replay(&link.to_string(), &[]).fails(5, &["Not comparable", "engine version 0"]);
    poq(&["link", "decode", &here, "--dataset", data], "").fails(2, &["--replay"]);
}

#[test]
fn whatever_encode_prints_decode_reads() {
    let encode =
        |page: &str| poq(&["link", "encode", "--rounds", "60", "--page", page], "").succeeds().out.trim().to_owned();
    for page in ["http://h/p/#old", "http://h/p/?x=1#1.abc", "http://h/p/"] {
        let link = encode(page);
        assert_eq!(link.matches('#').count(), 1, "{link}");
        assert_eq!(poq(&["link", "decode", &link], "").json()["rounds"], 60);
    }
    let link = encode("http://h/p/");
    let (head, tail) = link.split_at(70);
    for seen in [
        format!("{link}."),
        format!("({link})"),
        format!("<{link}>&utm=1"),
        link.replace('#', "%23"),
        format!("{head}\n> {tail}"),
        format!("{head}%20{tail}"),
        format!("\u{feff}{head}\u{200b}{tail}\r\n"),
    ] {
        assert_eq!(poq(&["link", "decode", "-"], &seen).json()["rounds"], 60, "{seen}");
    }
    let long = format!(r#"{{"rounds": 5, "assertions": ["{}"]}}"#, vec!["x".repeat(1900); 200].join("\", \""));
    poq(&["link", "encode", "-"], &long).fails(2, &["share link", "262144 bytes"]);
    poq(&["link", "encode", "--rounds", "5", "--page", &"x".repeat(70_000)], "").fails(2, &["share link", "65536"]);
}
