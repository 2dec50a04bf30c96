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
