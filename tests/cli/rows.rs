//! Commands that answer standard input row by row.

use crate::support::poq;

#[test]
fn score_gives_the_official_values() {
    let input = concat!(
        r#"{"prediction": "The Cat sat", "references": ["a dog", "cat sat down"]}"#,
        "\n",
        r#"{"prediction": "", "references": [""]}"#,
        "\n"
    );
    let rows = poq(&["score"], input).succeeds().rows();
    assert_eq!(rows[0]["f1"], 0.8);
    assert_eq!(rows[0]["exact_match"], false);
    assert_eq!(rows[1]["f1"], 1.0);
    assert_eq!(rows[1]["exact_match"], true);
}

#[test]
fn a_bad_row_is_named_and_the_others_are_done() {
    let input = concat!(
        r#"{"prediction": "x", "references": ["x"]}"#,
        "\n{\"prediction\": 1}\nnot json\n",
        r#"{"prediction": "x", "references": []}"#,
        "\n",
        r#"{"prediction": "y", "references": ["y"]}"#,
        "\n"
    );
    let ran = poq(&["score"], input);
    ran.fails(3, &["row 2", "`prediction`", "row 3", "row 4", "`references`"]);
    let rows = ran.rows();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[4]["f1"], 1.0);
    assert!(rows[1]["error"].is_string());
}

#[test]
fn usage_errors_exit_with_2() {
    poq(&["scoer"], "").fails(2, &["scoer"]);
    poq(&["generate"], "").fails(2, &["--model"]);
    poq(&["generate", "--model", "no-such-model"], "").fails(2, &["no-such-model", "allowed"]);
    poq(&["embed", "--model", "./nowhere"], "").fails(2, &["./nowhere"]);
    poq(&["generate", "--model", "smollm2-135m-instruct", "--temperature", "NaN"], "").fails(2, &["temperature"]);
    poq(&["generate", "--model", "smollm2-135m-instruct", "--max-tokens", "0"], "").fails(2, &["max-tokens"]);
}
