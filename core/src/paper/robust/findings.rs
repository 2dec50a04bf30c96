//! What the study says of each claim.

use super::by_kind::by_task_kind;
use super::{CONDITIONS, Condition, Estimate, KS, MEAN, Measured, OfRule, RULES, SHARES, Study, TRUST, Weights};
use crate::compare::{decimals, rounded};
use crate::dataset::Dataset;
use crate::paper::is_fitted;
use crate::paper::readings::{DIRECTION, MATTERS, NEARLY_ALL, SAME, TOLERANCE};
use crate::paper::verdict::{Basis, Estimated, Finding, Found, Part, Reading, Verdict, findings_at_once, told_at_once};
use crate::stats::Interval;

/// [`RULES`] in words.
const TITLES: [&str; RULES.len()] = ["the mean", "the median", "the trimmed mean", "the trust-weighted mean"];
/// Every rule but the mean.
const ROBUST: [usize; 3] = [1, 2, TRUST];
/// What the intervals over seeds are for.
const SEEDS: &str = "the luck of the draws and of who attacks, given these prompts (Student’s t over seeds)";
/// Why the fitted dataset shows nothing of how close a rule is to truth.
const MADE: &str = "How far the scores of this dataset are from its truth, and by how much two of three evaluators \
                    leave the third, which alone tracks truth, was fitted to rewards or chosen.";

const PAPER: &str = "the paper";
const OURS: &str = "our reading of claim 1, where honest evaluators do not track truth";
const THIRD_PARTY: &str = "a third party (promptfoo’s LM security database)";

pub(super) fn findings(study: &Study, dataset: &Dataset, measured: &[Measured]) -> [Finding; 5] {
    let evidence = Evidence { study, measured };
    let is_same = study.dataset == dataset.hash;
    let finding = |claim: u32, statement: &str, source: &str, test: &dyn Fn() -> Found| {
        let found = if is_same {
            let (parts, mut tensions) = test();
            if let Some(last) = tensions.iter_mut().rfind(|tension| tension.contains(" ± ")) {
                last.push_str(&format!(" Each ± is half of a 95% interval for {SEEDS}."));
            }
            (parts, tensions)
        } else {
            let reading = Reading::above(DIRECTION, "");
            (vec![Part::not_applicable("The study is of another dataset.", reading, "")], Vec::new())
        };
        Finding::new(claim, statement, source, found)
    };
    findings_at_once([
        finding(1, "Robust rules keep the consensus closer to truth than the mean does under attack.", PAPER, &|| {
            evidence.closer_to_truth(is_fitted(dataset))
        }),
        finding(2, "Attacks move the consensus of robust rules less than that of the mean.", OURS, &|| {
            evidence.moved_less()
        }),
        finding(3, "How well an evaluator tracks truth varies by kind of task and can invert.", PAPER, &|| {
            by_task_kind(&study.base, dataset)
        }),
        finding(
            4,
            "A larger K lowers evaluators’ rewards and raises their variance, while inference rewards stay about level \
             (tested under the mean; what differs under other rules is told below).",
            PAPER,
            &|| evidence.larger_k(),
        ),
        finding(
            5,
            "Under the clip rule every evaluator whose mean deviation is below half the scale drifts to w_max, so that the \
             trust-weighted mean turns into the plain mean.",
            THIRD_PARTY,
            &|| evidence.drift(),
        ),
    ])
}

/// Something of a consensus by which rules are compared.
#[derive(Clone, Copy)]
struct Quantity {
    what: &'static str,
    unit: &'static str,
    is_better_low: bool,
    value: fn(&OfRule) -> Option<f64>,
}

const DISTANCE: Quantity = Quantity {
    what: "distance of the consensus from truth",
    unit: " points",
    is_better_low: true,
    value: |rule| Some(rule.truth_distance),
};
const CORRELATION: Quantity = Quantity {
    what: "correlation of the consensus with truth",
    unit: "",
    is_better_low: false,
    value: |rule| rule.pearson_truth,
};
const MOVED: Quantity = Quantity {
    what: "distance of the consensus from that without the attack",
    unit: " points",
    is_better_low: true,
    value: |rule| Some(rule.moved),
};

/// The runs, seed by seed.
struct Evidence<'a> {
    study: &'a Study,
    measured: &'a [Measured],
}

/// Something of what a rule makes of a run, and its name.
type Named = (&'static str, fn(&OfRule) -> f64);
type IsWanted<'a> = &'a dyn Fn(Condition) -> bool;
type Value<'a> = &'a dyn Fn(&Measured) -> Option<f64>;

impl Evidence<'_> {
    /// Over whole seeds, of a value that each of them has.
    fn over_seeds(&self, value: impl Fn(&[Measured]) -> Option<f64>) -> Option<Estimate> {
        Estimate::of(self.measured.chunks_exact(CONDITIONS).filter_map(value))
    }

    /// Of the mean of a value over the scenarios wanted, in each seed.
    fn average(&self, is_wanted: IsWanted<'_>, value: Value<'_>) -> Option<Estimate> {
        self.over_seeds(|seed| average(seed, is_wanted, value))
    }

    /// By how much a robust rule does better than the mean, run by run.
    fn lead(&self, rule: usize, is_wanted: IsWanted<'_>, quantity: Quantity) -> Option<Estimate> {
        let Quantity { value, is_better_low, .. } = quantity;
        let sign = if is_better_low { -1.0 } else { 1.0 };
        self.average(is_wanted, &|run| Some(sign * (value(&run.rules[rule])? - value(&run.rules[MEAN])?)))
    }

    /// [`Evidence::lead`] under attack as a part.
    fn lead_part(&self, rule: usize, quantity: Quantity) -> Part {
        let Quantity { what, unit, is_better_low, value } = quantity;
        let under = |rule: usize| {
            let mean = self.average(&is_attacked, &|run| value(&run.rules[rule])).map_or(0.0, |of| of.mean);
            format!("under {}, {mean:.3}{unit}", TITLES[rule])
        };
        let [more, less] = if is_better_low { [MEAN, rule] } else { [rule, MEAN] }.map(under);
        let what = format!("{what} {more}, less that {less}, over all attacks, shares and K");
        let reading = Reading::above(MATTERS, format!("by more than {MATTERS} (assumed)"));
        part(what, self.lead(rule, &is_attacked, quantity), reading)
    }

    /// A sentence for each robust rule on the attacks and shares under which the mean surely does better, all told at
    /// once.
    fn where_the_mean_leads(&self, verb: &str, quantity: Quantity) -> Vec<String> {
        let attacks = self.study.attacks.iter().enumerate();
        let cases: Vec<(usize, usize, String, f64)> = ROBUST
            .into_iter()
            .flat_map(|rule| attacks.clone().map(move |(attack, kind)| (rule, attack, kind.title())))
            .flat_map(|(rule, attack, title)| SHARES.map(|share| (rule, attack, title.clone(), share)))
            .collect();
        let lead = |&(rule, attack, _, share): &(usize, usize, String, f64)| {
            let lead = self.lead(rule, &|condition| condition.attack == Some((attack, share)), quantity);
            part(String::new(), lead, Reading::below(-MATTERS, ""))
        };
        let mut leads: Vec<Part> = cases.iter().map(lead).collect();
        told_at_once(leads.iter_mut());
        let sentence = |rule: usize| {
            let mut clauses: Vec<(&str, Vec<String>)> = Vec::new();
            for ((of, _, title, share), lead) in cases.iter().zip(&leads) {
                let Some(value) = lead.value.filter(|_| *of == rule && lead.verdict == Verdict::Holds) else {
                    continue;
                };
                let words = format!("{share} (by {})", with_half_width(-value, lead.ci95));
                match clauses.last_mut().filter(|(last, _)| last == title) {
                    Some((_, shares)) => shares.push(words),
                    None => clauses.push((title, vec![words])),
                }
            }
            let clauses: Vec<String> = clauses
                .into_iter()
                .map(|(title, shares)| format!("{title} by a share of {}", shares.join(", ")))
                .collect();
            (!clauses.is_empty())
                .then(|| format!("The mean {verb} than {} under {}.", TITLES[rule], clauses.join("; ")))
        };
        ROBUST.into_iter().filter_map(sentence).collect()
    }

    /// Claim 1: the distance of the consensus from truth, and its correlation with truth.
    fn closer_to_truth(&self, is_made: bool) -> Found {
        let parts = [DISTANCE, CORRELATION].into_iter().flat_map(|of| ROBUST.map(|rule| self.lead_part(rule, of)));
        let parts = parts.map(|part| if is_made { part.made(Basis::Chosen, MADE) } else { part });
        let mut tensions = Vec::new();
        if let Some(Estimate { mean, ci95: ci95 @ Some([low, high]), .. }) =
            self.average(&is_honest, &|run| Some(run.rules[MEAN].above_truth))
            && (low > 0.0 || high < 0.0)
        {
            let side = if mean > 0.0 { ["above", "lowers"] } else { ["below", "raises"] };
            tensions.push(format!(
                "Without an attack the mean is {} points {} truth on average, so that an attack that {} scores may bring \
                 it closer to truth.",
                with_half_width(mean.abs(), ci95),
                side[0],
                side[1]
            ));
        }
        tensions.extend(self.without_an_attack());
        tensions.extend(self.where_the_mean_leads("is closer to truth", DISTANCE));
        (parts.collect(), tensions)
    }

    /// How robust rules differ from the mean where nobody attacks, as far as that is sure.
    fn without_an_attack(&self) -> Option<String> {
        let cases: Vec<(usize, Quantity)> =
            ROBUST.into_iter().flat_map(|rule| [DISTANCE, CORRELATION].map(|of| (rule, of))).collect();
        let lead = |&(rule, of): &(usize, Quantity)| {
            part(String::new(), self.lead(rule, &is_honest, of), Reading::between(-MATTERS, MATTERS, ""))
        };
        let mut leads: Vec<Part> = cases.iter().map(lead).collect();
        told_at_once(leads.iter_mut());
        let clause = |(&(rule, of), lead): (&(usize, Quantity), &Part)| {
            let value = lead.value.filter(|_| lead.verdict == Verdict::Fails)?;
            let [better, worse] = if of.is_better_low { ["closer to", "farther from"] } else { ["more", "less"] };
            let words = if value > 0.0 { better } else { worse };
            let by = with_half_width(value.abs(), lead.ci95);
            Some(if of.is_better_low {
                format!("{} is {by} points {words} truth than the mean", TITLES[rule])
            } else {
                format!("{} correlates with truth by {by} {words} than the mean", TITLES[rule])
            })
        };
        let clauses: Vec<String> = cases.iter().zip(&leads).filter_map(clause).collect();
        (!clauses.is_empty()).then(|| format!("Without an attack already, {}.", clauses.join("; ")))
    }

    /// Claim 2: the distance of the consensus from what it is on the same draws where nobody attacks.
    fn moved_less(&self) -> Found {
        (ROBUST.map(|rule| self.lead_part(rule, MOVED)).into(), self.where_the_mean_leads("is moved less", MOVED))
    }

    /// Claim 4: evaluators’ rewards and inference rewards over K, under the mean.
    fn larger_k(&self) -> Found {
        let conditions: [(&str, IsWanted<'_>); 2] =
            [("without an attack", &is_honest), ("over all attacks and shares", &is_attacked)];
        let of_rule =
            |rule: usize| conditions.iter().flat_map(move |&(when, is_wanted)| self.over_k(rule, when, is_wanted));
        let mut tensions = vec![
            "Under the mean a K-th of the consensus is an evaluator’s own score, so that the mean square of its distance \
             grows as 1 - 1/K whatever evaluators do: that rewards fall says little of evaluators."
                .to_owned(),
        ];
        tensions.extend(self.other_variances(&conditions));
        // Under the other rules, told at once.
        let mut others: Vec<Part> = ROBUST.into_iter().flat_map(of_rule).collect();
        told_at_once(others.iter_mut());
        let differs = |part: &&Part| !matches!(part.verdict, Verdict::Holds | Verdict::NotApplicable);
        tensions.extend(others.iter().filter(differs).map(|part| {
            let value = part.value.unwrap_or(0.0);
            let verdict = if part.verdict == Verdict::Fails { "This fails" } else { "This cannot be told" };
            format!("{verdict}: {} ({}).", part.what, with_half_width(value, part.ci95))
        }));
        (of_rule(MEAN).collect(), tensions)
    }

    /// Under one rule: the fall of evaluators’ mean reward and the rise of its deviation for every evaluator more, and
    /// the change of inference rewards from the smallest to the largest K.
    fn over_k(&self, rule: usize, when: &str, is_wanted: IsWanted<'_>) -> [Part; 3] {
        let slope = |value: fn(&OfRule) -> f64| self.slope(rule, is_wanted, value);
        let [smallest, largest] = [KS[0], KS[KS.len() - 1]];
        let ends = |value: fn(&OfRule) -> f64| {
            let [from, to] = self.ends(rule, is_wanted, value);
            format!("under {}, {when}: from {from:.3} at K = {smallest} to {to:.3} at K = {largest}", TITLES[rule])
        };
        let mean = |rule: &OfRule| rule.evaluator_reward_mean;
        let sd = |rule: &OfRule| rule.evaluator_reward_sd;
        let inference = |rule: &OfRule| rule.inference_reward_mean;
        let at = |seed: &[Measured], k| at_k(seed, k, rule, is_wanted, inference);
        let change = self.over_seeds(|seed| Some(at(seed, largest)? - at(seed, smallest)?));
        let direction = |word: &str| Reading::above(DIRECTION, format!("{word}, however little: no size is published"));
        [
            part(
                format!("fall of evaluators’ mean reward for every evaluator more, {}", ends(mean)),
                slope(mean).map(Estimate::negative),
                direction("lower"),
            ),
            part(
                format!(
                    "rise of the standard deviation of an evaluator’s own rewards for every evaluator more, {}",
                    ends(sd)
                ),
                slope(sd),
                direction("raised"),
            ),
            part(
                format!("change of the mean inference reward, {}", ends(inference)),
                change,
                Reading::between(-TOLERANCE, TOLERANCE, format!("about level: within {TOLERANCE} of 0 (assumed)")),
            ),
        ]
    }

    /// What the claim about variance comes to under the mean if it is read otherwise; all told at once.
    fn other_variances(&self, conditions: &[(&str, IsWanted<'_>); 2]) -> Vec<String> {
        let readings: [Named; 2] = [
            ("of evaluators’ mean rewards", |rule| rule.evaluator_reward_sd_between),
            ("over all payments to evaluators", |rule| rule.evaluator_reward_sd_overall),
        ];
        let slope =
            |is_wanted, value| part(String::new(), self.slope(MEAN, is_wanted, value), Reading::above(DIRECTION, ""));
        let mut slopes = conditions.map(|(_, is_wanted)| readings.map(|(_, value)| slope(is_wanted, value)));
        told_at_once(slopes.iter_mut().flatten());
        let sentence = |(&(when, is_wanted), slopes): (&(&str, IsWanted<'_>), &[Part; 2])| {
            let clause = |((what, value), slope): (Named, &Part)| {
                let [from, to] = self.ends(MEAN, is_wanted, value);
                let word = match slope.verdict {
                    Verdict::Holds => "rises",
                    Verdict::Fails => "falls",
                    _ => "neither surely rises nor falls",
                };
                let by = slope.value.map_or_else(String::new, |value| with_half_width(value, slope.ci95));
                format!(
                    "the standard deviation {what} {word}, from {from:.3} to {to:.3} ({by} for every evaluator more)"
                )
            };
            let is_there = slopes.iter().all(|slope| slope.value.is_some());
            let clauses: Vec<String> = readings.into_iter().zip(slopes).map(clause).collect();
            is_there.then(|| {
                format!(
                    "By other readings of variance, which mix in that evaluators cost more or less, under the mean, \
                     {when}: {}.",
                    clauses.join("; ")
                )
            })
        };
        conditions.iter().zip(&slopes).filter_map(sentence).collect()
    }

    /// Of the least-squares line over K under one rule.
    fn slope(&self, rule: usize, is_wanted: IsWanted<'_>, value: fn(&OfRule) -> f64) -> Option<Estimate> {
        self.over_seeds(|seed| {
            let point = |k: u32| Some((f64::from(k), at_k(seed, k, rule, is_wanted, value)?));
            KS.into_iter().map(point).collect::<Option<Vec<_>>>().map(|points| slope(&points))
        })
    }

    /// A value under one rule at the smallest and the largest K.
    fn ends(&self, rule: usize, is_wanted: IsWanted<'_>, value: fn(&OfRule) -> f64) -> [f64; 2] {
        [KS[0], KS[KS.len() - 1]].map(|k| {
            self.over_seeds(|seed| at_k(seed, k, rule, is_wanted, value)).map_or(0.0, |estimate| estimate.mean)
        })
    }

    /// Claim 5: weights at the end, and what they make of the consensus.
    fn drift(&self) -> Found {
        let at_top = |who: &str, when: &str, is_wanted: IsWanted<'_>, weights: fn(&Measured) -> Weights| {
            let what = format!(
                "share of {who} whose weight ends within 1% of w_max, of those whose mean deviation is below one \
                 half, {when}"
            );
            let reading = Reading::above(NEARLY_ALL, format!("every: more than {NEARLY_ALL} (assumed)"));
            part(what, self.average(is_wanted, &|run| weights(run).at_top), reading)
        };
        let parts = vec![
            at_top("evaluators", "without an attack", &is_honest, |run| run.honest_weights),
            at_top("attackers", "over all attacks, shares and K", &is_attacked, |run| run.attackers_weights),
            self.like_the_mean("without an attack", &is_honest),
            self.like_the_mean("over all attacks, shares and K", &is_attacked),
        ];
        let sentence = |who: &str, is_wanted: IsWanted<'_>, weights: fn(&Measured) -> Weights| {
            let Estimate { mean, ci95, .. } = self.average(is_wanted, &|run| weights(run).mean)?;
            let mean = with_half_width(mean, ci95);
            let below_half = self.average(is_wanted, &|run| weights(run).below_half)?.mean;
            Some(format!(
                "The mean weight of {who} ends at {mean} of w_max; the mean deviation of {} of them is below one \
                 half.",
                share_words(below_half)
            ))
        };
        let sentences = [
            sentence("all evaluators without an attack", &is_honest, |run| run.honest_weights),
            sentence("honest evaluators under attack", &is_attacked, |run| run.honest_weights),
            sentence("attackers", &is_attacked, |run| run.attackers_weights),
        ];
        (parts, sentences.into_iter().flatten().collect())
    }

    /// How far the trust-weighted mean is from the plain mean of the same scores.
    fn like_the_mean(&self, when: &str, is_wanted: IsWanted<'_>) -> Part {
        let what = format!(
            "distance in points of the trust-weighted mean from the plain mean of the same scores over the later half \
             of the rounds, {when}"
        );
        let reading = Reading::below(SAME, format!("the plain mean: within {SAME} points (assumed)"));
        part(what, self.average(is_wanted, &|run| Some(run.trust_from_mean)), reading)
    }
}

/// A figure with half the width of its 95% interval, which is symmetric, to two figures of that; the figure alone
/// without one.
fn with_half_width(value: f64, ci95: Option<Interval>) -> String {
    let Some([low, high]) = ci95.filter(|[low, high]| high > low) else { return format!("{value:.3}") };
    let decimals = decimals(high - low, value.abs());
    format!("{} ± {}", rounded(value, decimals), rounded(0.5 * (high - low), decimals))
}

/// A share in percent; not all where some are missing, nor none where some are there.
fn share_words(share: f64) -> String {
    match format!("{:.0}", 100.0 * share).as_str() {
        "100" if share < 1.0 => "more than 99%".to_owned(),
        "0" if share > 0.0 => "less than 1%".to_owned(),
        percent => format!("{percent}%"),
    }
}

fn is_attacked(condition: Condition) -> bool {
    condition.attack.is_some()
}

fn is_honest(condition: Condition) -> bool {
    condition.attack.is_none()
}

/// The mean of a value over those scenarios wanted of one seed that have it.
fn average(seed: &[Measured], is_wanted: IsWanted<'_>, value: Value<'_>) -> Option<f64> {
    let wanted = seed.iter().zip(Condition::all()).filter(|&(_, condition)| is_wanted(condition));
    let values: Vec<f64> = wanted.filter_map(|(run, _)| value(run)).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The mean of a value under one rule over those scenarios wanted of one seed that have that K.
fn at_k(seed: &[Measured], k: u32, rule: usize, is_wanted: IsWanted<'_>, value: fn(&OfRule) -> f64) -> Option<f64> {
    average(seed, &|condition| condition.k == k && is_wanted(condition), &|run| Some(value(&run.rules[rule])))
}

/// Of the least-squares line through points that differ in `x`.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean_x = points.iter().map(|point| point.0).sum::<f64>() / n;
    let squares: f64 = points.iter().map(|point| (point.0 - mean_x) * (point.0 - mean_x)).sum();
    points.iter().map(|point| (point.0 - mean_x) * point.1).sum::<f64>() / squares
}

fn part(what: String, estimate: Option<Estimate>, reading: Reading) -> Part {
    match estimate {
        Some(Estimate { mean: value, ci95, seeds }) => {
            Part::measured(what, reading, Estimated { value, ci95, degrees: Some(seeds.saturating_sub(1)) }, SEEDS)
        }
        None => {
            let why = "No seed is done, or what would be compared is not defined under any.";
            Part::not_applicable(why, reading, SEEDS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_that_of_the_line() {
        assert_eq!(slope(&[(3.0, 1.0), (5.0, 2.0), (7.0, 3.0), (9.0, 4.0)]), 0.5);
        assert_eq!(slope(&[(0.0, 0.0), (1.0, 3.0), (2.0, 0.0)]), 0.0);
    }

    #[test]
    fn figures_are_told_with_half_their_interval() {
        assert_eq!(with_half_width(-0.003_31, Some([-0.003_49, -0.003_13])), "-0.00331 ± 0.00018");
        assert_eq!(with_half_width(0.085, Some([0.06, 0.11])), "0.085 ± 0.025");
        assert_eq!([None, Some([2.54, 2.54])].map(|ci95| with_half_width(2.54, ci95)), ["2.540"; 2]);
    }

    #[test]
    fn shares_that_are_not_all_are_not_called_all() {
        let shares = [1.0, 0.9999, 0.98, 0.0004, 0.0].map(share_words);
        assert_eq!(shares, ["100%", "more than 99%", "98%", "less than 1%", "0%"]);
    }
}
