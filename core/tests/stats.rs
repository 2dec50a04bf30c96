//! Statistics against SciPy; `reference/make_stats_reference.py` makes the values.

use poq_core::stats::{kendall, pearson, spearman, student_t_975};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    correlations: Vec<Row>,
    student_t_975: Vec<(u64, f64)>,
}

#[derive(Deserialize)]
struct Row {
    x: Vec<f64>,
    y: Vec<f64>,
    pearson: f64,
    spearman: f64,
    kendall: f64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("reference/stats.json")).expect("reference values")
}

#[test]
fn correlations_equal_scipy() {
    let rows = reference().correlations;
    assert_eq!(rows.len(), 30);
    for (index, row) in rows.iter().enumerate() {
        // Where the offset is a million times the spread, both lose six of their sixteen digits to cancellation.
        let pairs = [
            ("pearson", pearson(&row.x, &row.y), row.pearson, 1e-10),
            ("spearman", spearman(&row.x, &row.y), row.spearman, 1e-12),
            ("kendall", kendall(&row.x, &row.y), row.kendall, 1e-12),
        ];
        for (name, got, want, tolerance) in pairs {
            let got = got.expect("both sides vary");
            assert!((got - want).abs() < tolerance, "row {index}: {name} {got} is not {want}");
        }
    }
}

#[test]
fn quantiles_of_students_t_equal_scipy() {
    for (degrees, want) in reference().student_t_975 {
        let got = student_t_975(degrees);
        assert!((got / want - 1.0).abs() < 0.002, "{degrees} degrees: {got} is not {want}");
    }
}
