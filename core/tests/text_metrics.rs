//! Text metrics against independent implementations; `reference/make_text_reference.py` says which and makes the
//! values.

use poq_core::text::{chrf::best_chrf, is_unanswerable, rouge::best_rouge_l, squad};
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    prediction: String,
    references: Vec<String>,
    normalized: String,
    f1_first: f64,
    exact_first: bool,
    f1: f64,
    exact: bool,
    rouge_l: f64,
    chrf: f64,
}

fn rows() -> Vec<Row> {
    let rows: Vec<Row> = serde_json::from_str(include_str!("reference/text.json")).expect("reference values");
    assert!(rows.len() >= 300, "{} rows", rows.len());
    rows
}

/// Fails with every row where `got` is further than 1e-12 from `want`.
fn compare(what: &str, got: impl Fn(&Row) -> f64, want: impl Fn(&Row) -> f64) {
    let faults: Vec<String> = rows()
        .iter()
        .filter(|row| (got(row) - want(row)).abs() > 1e-12)
        .map(|row| format!("{:?} {:?}: {} is not {}", row.prediction, row.references, got(row), want(row)))
        .collect();
    assert!(faults.is_empty(), "{what}:\n{}", faults.join("\n"));
}

#[test]
fn normalisation_equals_the_squad_script() {
    for row in rows() {
        assert_eq!(squad::normalize_answer(&row.prediction), row.normalized, "{:?}", row.prediction);
    }
}

#[test]
fn f1_equals_the_squad_script() {
    compare("f1", |row| squad::f1(&row.prediction, &row.references[0]), |row| row.f1_first);
    compare("best f1", |row| squad::best_f1(&row.prediction, &row.references), |row| row.f1);
}

#[test]
fn exact_match_equals_the_squad_script() {
    for row in rows() {
        let Row { prediction, references, .. } = &row;
        let got = (squad::exact_match(prediction, &references[0]), squad::any_exact_match(prediction, references));
        assert_eq!(got, (row.exact_first, row.exact), "{prediction:?} {references:?}");
    }
}

/// The packages' value; where every reference is blank they leave the metric at 0, and truth is what it should be.
fn or_of_unanswerable(row: &Row, package: f64) -> f64 {
    if is_unanswerable(&row.references) { f64::from(u8::from(row.prediction.trim().is_empty())) } else { package }
}

#[test]
fn rouge_l_equals_the_rouge_score_package() {
    let package = |row: &Row| or_of_unanswerable(row, row.rouge_l);
    compare("ROUGE-L", |row| best_rouge_l(&row.prediction, &row.references), package);
}

#[test]
fn chrf_equals_sacrebleu() {
    let package = |row: &Row| or_of_unanswerable(row, row.chrf);
    compare("chrF", |row| best_chrf(&row.prediction, &row.references), package);
}

#[test]
fn an_unanswerable_question_is_answered_by_nothing() {
    let scores = |prediction: &str, references: &[&str]| {
        let references: Vec<String> = references.iter().map(|&text| text.to_owned()).collect();
        [squad::best_f1, best_rouge_l, best_chrf].map(|score| score(prediction, &references))
    };
    assert_eq!(scores("", &[""]), [1.0; 3]);
    assert_eq!(scores(" \n", &["", " "]), [1.0; 3]);
    assert_eq!(scores("rain", &[""]), [0.0; 3]);
    assert_eq!(scores("", &["rain"]), [0.0; 3]);
    // Words that ROUGE-L does not see are an answer all the same.
    assert_eq!(scores("北京", &[""]), [0.0; 3]);
    assert_eq!(best_rouge_l("北京", &["上海".to_owned()]), 0.0);
    // One annotator found an answer: then there is one.
    assert_eq!(scores("", &["", "rain"])[0], 0.0);
    assert_eq!(scores("rain", &["", "rain"]), [1.0; 3]);
}
