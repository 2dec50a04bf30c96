//! What becomes of a claim: its parts, what each was held against, and how sure that is.

use serde::{Deserialize, Serialize};

use crate::dataset::Dataset;
use crate::families::{self, LEVEL};
use crate::report::DatasetName;
use crate::stats::Interval;

/// A paper's claims, tested on one dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// The dataset.
    pub dataset: DatasetName,
    /// What becomes of each claim.
    pub findings: Vec<Finding>,
}

impl Claims {
    /// `findings` on `dataset`.
    #[must_use]
    pub fn new(dataset: &Dataset, findings: impl Into<Vec<Finding>>) -> Self {
        let dataset = DatasetName { id: dataset.manifest.id.clone(), hash: dataset.hash.clone() };
        Self { dataset, findings: findings.into() }
    }
}

/// What was measured for one of a paper's claims.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Number of the claim, from 1.
    pub claim: u32,
    /// The claim.
    pub statement: String,
    /// Who claims it.
    pub source: String,
    /// What was compared; the claim holds where every part that applies does.
    pub parts: Vec<Part>,
    /// Of all parts.
    pub verdict: Verdict,
    /// What speaks against the claim or limits it, in sentences.
    pub tensions: Vec<String>,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What was measured, with the nodes by id; where it does not apply, why.
    pub what: String,
    /// How the claim is read here: the bounds in words.
    pub reading: String,
    /// What was measured; none where it does not apply.
    pub value: Option<f64>,
    /// Its own 95% interval.
    pub ci95: Option<Interval>,
    /// What the interval is for.
    pub interval_of: String,
    /// As it is read, the claim says that the value is above this; none without such a bound.
    pub above: Option<f64>,
    /// And below this.
    pub below: Option<f64>,
    /// Whether the data were made so that it comes out, and how.
    pub basis: Basis,
    /// The chance, were the value at the nearest bound, of one so far from it (two-sided). None without an interval.
    pub p_value: Option<f64>,
    /// That p value corrected (Holm) for all parts that are told together: those of all claims of a paper on one
    /// dataset that the data were not made for.
    pub p_holm: Option<f64>,
    /// Whether the value is within the bounds.
    pub verdict: Verdict,
    /// Why the verdict is no plain yes or no.
    pub why: Option<String>,
}

/// Where a measured figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// From the data: nothing was made so that it comes out.
    Free,
    /// The data were solved for so that it comes out.
    Fitted,
    /// A number of the data, for which nothing is published, was chosen so, and decides it.
    Chosen,
}

/// Whether something claimed was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is within the bounds, surely.
    Holds,
    /// It may be on either side of a bound, or the data were made in a way that decides it.
    #[serde(alias = "open")]
    CannotTell,
    /// It is out of the bounds, surely.
    Fails,
    /// It is within the bounds since the data were made so, which shows nothing.
    PutIn,
    /// The dataset or the network has not what the claim is about.
    NotApplicable,
}

impl Verdict {
    /// In a sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds => "It holds.",
            Self::CannotTell => "It cannot be told.",
            Self::Fails => "It does not hold.",
            Self::PutIn => "It is put in by the fit.",
            Self::NotApplicable => "It does not apply to this dataset.",
        }
    }
}

pub(super) const PROMPTS: &str = "the choice of prompts";
const ALONE: &str = "There is no interval, so that it may be chance.";

/// What a value is held against.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// In words.
    pub words: String,
    pub above: Option<f64>,
    pub below: Option<f64>,
}

impl Reading {
    pub(super) fn above(bound: f64, words: impl Into<String>) -> Self {
        Self { words: words.into(), above: Some(bound), below: None }
    }

    pub(super) fn below(bound: f64, words: impl Into<String>) -> Self {
        Self { words: words.into(), above: None, below: Some(bound) }
    }

    pub(super) fn between(above: f64, below: f64, words: impl Into<String>) -> Self {
        Self { words: words.into(), above: Some(above), below: Some(below) }
    }

    pub(super) fn holds(&self, value: f64) -> bool {
        self.above.is_none_or(|bound| value > bound) && self.below.is_none_or(|bound| value < bound)
    }

    /// The two-sided p value of a value with that interval, whose standard error has so many degrees of freedom.
    pub(super) fn p_value(&self, value: f64, ci95: Option<Interval>, degrees: Option<u64>) -> Option<f64> {
        ci95.map(|ci95| families::p_of_side(value, ci95, self.above, self.below, degrees))
    }
}

/// A value with what tells how sure it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimated {
    pub value: f64,
    pub ci95: Option<Interval>,
    /// Degrees of freedom of the interval; none where it is a normal or a bootstrap one.
    pub degrees: Option<u64>,
}

impl Part {
    pub(super) fn measured(what: impl Into<String>, reading: Reading, of: Estimated, interval_of: &str) -> Self {
        let mut part = Self {
            what: what.into(),
            value: Some(of.value),
            ci95: of.ci95,
            interval_of: interval_of.to_owned(),
            above: reading.above,
            below: reading.below,
            basis: Basis::Free,
            p_value: reading.p_value(of.value, of.ci95, of.degrees),
            p_holm: None,
            verdict: Verdict::CannotTell,
            why: None,
            reading: reading.words,
        };
        part.decide(part.p_value, 1);
        part
    }

    pub(super) fn not_applicable(why: impl Into<String>, reading: Reading, interval_of: &str) -> Self {
        Self {
            what: why.into(),
            reading: reading.words,
            value: None,
            ci95: None,
            interval_of: interval_of.to_owned(),
            above: reading.above,
            below: reading.below,
            basis: Basis::Free,
            p_value: None,
            p_holm: None,
            verdict: Verdict::NotApplicable,
            why: None,
        }
    }

    /// The same, of data that were made so.
    pub(super) fn made(self, basis: Basis, why: &str) -> Self {
        if self.value.is_none() {
            return self;
        }
        let verdict = if self.is_within() == Some(true) { Verdict::PutIn } else { Verdict::CannotTell };
        Self { basis, verdict, p_holm: None, why: Some(why.to_owned()), ..self }
    }

    /// Whether the value is within the bounds; none without one.
    pub(super) fn is_within(&self) -> Option<bool> {
        self.value.map(|value| self.reading().holds(value))
    }

    fn reading(&self) -> Reading {
        Reading { words: self.reading.clone(), above: self.above, below: self.below }
    }

    /// Of a value that the data were not made for.
    fn decide(&mut self, p_holm: Option<f64>, family: usize) {
        let Some(value) = self.value else { return };
        self.p_holm = p_holm;
        let is_sure = p_holm.is_some_and(|p| p <= LEVEL);
        self.verdict = match (is_sure, self.reading().holds(value)) {
            (false, _) => Verdict::CannotTell,
            (true, true) => Verdict::Holds,
            (true, false) => Verdict::Fails,
        };
        let is_sure_alone = self.p_value.is_some_and(|p| p <= LEVEL);
        self.why = match (self.verdict, self.ci95) {
            (Verdict::CannotTell, None) => Some(ALONE.to_owned()),
            (Verdict::CannotTell, Some(_)) if is_sure_alone => Some(format!(
                "Its own interval is clear of the bound, but of {family} findings told at once one such may be chance \
                 (Holm)."
            )),
            (Verdict::CannotTell, Some(_)) => Some("The interval holds the bound.".to_owned()),
            _ => None,
        };
    }
}

/// Corrects what parts say for being told at once; those that the data were made for, and those that do not apply, are
/// not among them.
pub(super) fn told_at_once<'a>(parts: impl Iterator<Item = &'a mut Part>) {
    let mut family: Vec<&mut Part> = parts.filter(|part| part.basis == Basis::Free && part.value.is_some()).collect();
    let corrected = families::holm_of_known(&family.iter().map(|part| part.p_value).collect::<Vec<_>>());
    let count = family.iter().filter(|part| part.p_value.is_some()).count();
    for (part, p_holm) in family.iter_mut().zip(corrected) {
        part.decide(p_holm, count);
    }
}

impl Finding {
    pub(super) fn new(claim: u32, statement: &str, source: &str, (parts, tensions): Found) -> Self {
        let verdict = of_all(&parts);
        Self { claim, statement: statement.to_owned(), source: source.to_owned(), parts, verdict, tensions }
    }

    /// What becomes of the claim, in a sentence; of one that does not hold as a whole, the parts that do.
    #[must_use]
    pub fn words(&self) -> String {
        let of = self.parts.iter().filter(|part| part.verdict != Verdict::NotApplicable).count();
        let hold = self.parts.iter().filter(|part| part.verdict == Verdict::Holds).count();
        let words = self.verdict.words();
        match self.verdict {
            Verdict::Fails | Verdict::CannotTell | Verdict::PutIn if hold > 0 => {
                let words = words.trim_end_matches('.');
                format!("{words} as a whole; {hold} of its {of} parts {}.", if hold == 1 { "holds" } else { "hold" })
            }
            _ => words.to_owned(),
        }
    }
}

/// Corrects `findings`, which are told at once, and with them the verdicts on the claims.
pub(super) fn findings_at_once<const N: usize>(mut findings: [Finding; N]) -> [Finding; N] {
    told_at_once(findings.iter_mut().flat_map(|finding| &mut finding.parts));
    for finding in &mut findings {
        finding.verdict = of_all(&finding.parts);
    }
    findings
}

/// Of a claim with these parts: it fails with any of them, and holds where all that apply hold.
fn of_all(parts: &[Part]) -> Verdict {
    let any = |verdict| parts.iter().any(|part| part.verdict == verdict);
    [Verdict::Fails, Verdict::CannotTell, Verdict::PutIn, Verdict::Holds]
        .into_iter()
        .find(|&verdict| any(verdict))
        .unwrap_or(Verdict::NotApplicable)
}

/// Parts, and sentences that limit them.
pub(super) type Found = (Vec<Part>, Vec<String>);

#[cfg(test)]
mod tests {
    use super::*;

    fn part(reading: Reading, value: f64, ci95: Option<Interval>) -> Part {
        Part::measured("", reading, Estimated { value, ci95, degrees: None }, PROMPTS)
    }

    fn above(value: f64, ci95: Option<Interval>) -> Part {
        part(Reading::above(1.0, ""), value, ci95)
    }

    #[test]
    fn a_verdict_goes_by_the_interval() {
        use Verdict::{CannotTell, Fails, Holds};
        let of = |value, ci95| above(value, ci95).verdict;
        assert_eq!(of(1.5, Some([1.1, 2.0])), Holds);
        assert_eq!(of(1.5, Some([0.9, 2.0])), CannotTell);
        assert_eq!(of(0.7, Some([0.5, 0.9])), Fails);
        assert_eq!(of(1.5, None), CannotTell);
        let level = |value, ci95| part(Reading::between(-1.0, 1.0, ""), value, Some(ci95)).verdict;
        assert_eq!(level(0.2, [-0.5, 0.9]), Holds);
        assert_eq!(level(0.2, [-0.5, 1.1]), CannotTell);
        assert_eq!(level(1.6, [1.1, 2.1]), Fails);
        assert_eq!(level(-1.6, [-2.1, -1.1]), Fails);
        assert_eq!(part(Reading::below(0.5, ""), 0.2, Some([0.1, 0.3])).verdict, Holds);
    }

    /// What data were made for says nothing, whichever its side.
    #[test]
    fn made_data_decide_nothing() {
        let of = |value, ci95| above(value, Some(ci95)).made(Basis::Fitted, "solved for").verdict;
        assert_eq!(of(1.5, [1.1, 2.0]), Verdict::PutIn);
        assert_eq!(of(0.7, [0.5, 0.9]), Verdict::CannotTell);
        let none = Part::not_applicable("", Reading::above(1.0, ""), PROMPTS).made(Basis::Fitted, "");
        assert_eq!((none.verdict, none.basis), (Verdict::NotApplicable, Basis::Free));
    }

    /// A p value of 4% is told alone, not as one of two; one of 2% is told among two.
    #[test]
    fn findings_told_at_once_are_corrected() {
        let of = |p: f64| Part { p_value: Some(p), ..above(1.5, Some([1.1, 2.0])) };
        let mut parts = [of(0.04), of(0.5), of(0.02).made(Basis::Chosen, "")];
        told_at_once(parts.iter_mut());
        assert_eq!(parts[0].verdict, Verdict::CannotTell);
        assert_eq!(parts[0].p_holm, Some(0.08));
        assert!(parts[0].why.as_ref().is_some_and(|why| why.contains("of 2 findings told at once")), "{parts:?}");
        assert_eq!((parts[2].verdict, parts[2].p_holm), (Verdict::PutIn, None));
        let mut parts = [of(0.02), of(0.5)];
        told_at_once(parts.iter_mut());
        assert_eq!((parts[0].verdict, parts[0].p_holm), (Verdict::Holds, Some(0.04)));
    }

    #[test]
    fn parts_that_hold_are_told() {
        use Verdict::{CannotTell, Fails, Holds, NotApplicable, PutIn};
        let finding = |verdicts: &[Verdict]| {
            let parts = verdicts.iter().map(|&verdict| Part { verdict, ..above(1.5, None) }).collect();
            Finding::new(1, "", "", (parts, Vec::new()))
        };
        let of = |verdicts| (finding(verdicts).verdict, finding(verdicts).words());
        assert_eq!(of(&[Holds, NotApplicable]), (Holds, "It holds.".to_owned()));
        assert_eq!(
            of(&[CannotTell, Fails, Holds]),
            (Fails, "It does not hold as a whole; 1 of its 3 parts holds.".to_owned())
        );
        assert_eq!(of(&[Fails, Fails]), (Fails, "It does not hold.".to_owned()));
        let told = "It cannot be told as a whole; 2 of its 3 parts hold.".to_owned();
        assert_eq!(of(&[Holds, CannotTell, Holds, NotApplicable]), (CannotTell, told));
        assert_eq!(of(&[PutIn, PutIn]), (PutIn, "It is put in by the fit.".to_owned()));
        assert_eq!(of(&[PutIn, Holds]).0, PutIn);
        assert_eq!(of(&[NotApplicable]).0, NotApplicable);
        assert_eq!(serde_json::from_str::<Verdict>("\"open\"").expect("its name once"), CannotTell);
    }
}
