//! What the study says of each claim.

use super::super::findings::{Finding, Found, PROMPTS, Part, Verdict, pair_sums, resampled_pearson, verdict};
use super::{CONDITIONS, Condition, Estimate, KS, MEAN, Measured, OfRule, RULES, SHARES, Study, TRUST, Weights};
use crate::dataset::{Dataset, JUDGE, TaskKind};
use crate::paper::DATASET_ID;
use crate::report::replicate_weights;
use crate::stats::{self, Interval};

/// [`RULES`] in words.
const TITLES: [&str; RULES.len()] = ["the mean", "the median", "the trimmed mean", "the trust-weighted mean"];
/// Every rule but the mean.
const ROBUST: [usize; 3] = [1, 2, TRUST];
/// What the intervals over seeds are for.
const SEEDS: &str = "the luck of the draws and of who attacks, given these prompts (Student’s t over seeds)";
/// Correlations that differ by no more than this do not vary. Assumed.
const VARIES: f64 = 0.1;
/// A reward that changes by no more than this stays about level: published rewards have two digits. Assumed.
const LEVEL: f64 = 0.02;
/// A share above this is nearly all. Assumed.
const NEARLY_ALL: f64 = 0.95;
/// Two consensus rules that differ by no more points than this are about the same. Assumed.
const SAME: f64 = 0.05;

/// A rule that does better than another by no more than this, in points or in correlation, does as well. Assumed.
const MATTERS: f64 = 0.01;

const PAPER: &str = "the paper";
const OURS: &str = "our reading of claim 1, where honest evaluators do not track truth";
const THIRD_PARTY: &str = "a third party (promptfoo’s LM security database)";

pub(super) fn findings(study: &Study, dataset: &Dataset, measured: &[Measured]) -> [Finding; 5] {
    let evidence = Evidence { study, measured };
    let is_same = study.dataset == dataset.hash;
    let finding = |claim: u32, statement: &str, source: &str, test: &dyn Fn() -> Found| {
        let (parts, tensions) = if is_same {
            test()
        } else {
            (vec![Part::not_applicable("The study is of another dataset.", "", 0.0)], Vec::new())
        };
        let (statement, source) = (statement.to_owned(), source.to_owned());
        Finding { claim, statement, source, verdict: verdict(&parts), parts, tensions }
    };
    [
        finding(1, "Robust rules keep the consensus closer to truth than the mean does under attack.", PAPER, &|| {
            evidence.closer_to_truth()
        }),
        finding(2, "Attacks move the consensus of robust rules less than that of the mean.", OURS, &|| {
            evidence.moved_less()
        }),
        finding(3, "How well an evaluator tracks truth varies by kind of task and can invert.", PAPER, &|| {
            by_task_kind(study, dataset)
        }),
        finding(
            4,
            "A larger K lowers evaluators’ rewards and raises their variance, while inference rewards stay about level.",
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
    ]
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
        let what = format!(
            "{what} {more}, less that {less}, over all attacks, shares and K; more than {MATTERS} counts (assumed)"
        );
        part(what, self.lead(rule, &is_attacked, quantity), MATTERS)
    }

    /// A sentence for each robust rule on the attacks and shares under which the mean surely does better.
    fn where_the_mean_leads(&self, verb: &str, quantity: Quantity) -> Vec<String> {
        let sentence = |rule: usize| {
            let mut clauses = Vec::new();
            for (attack, kind) in self.study.attacks.iter().enumerate() {
                let mut shares = Vec::new();
                for share in SHARES {
                    let lead = self.lead(rule, &|condition| condition.attack == Some((attack, share)), quantity);
                    if let Some(Estimate { mean, ci95: Some([_, high]) }) = lead
                        && high < -MATTERS
                    {
                        shares.push(format!("{share} (by {:.3})", -mean));
                    }
                }
                if !shares.is_empty() {
                    clauses.push(format!("{} by a share of {}", kind.title(), shares.join(", ")));
                }
            }
            (!clauses.is_empty())
                .then(|| format!("The mean {verb} than {} under {}.", TITLES[rule], clauses.join("; ")))
        };
        ROBUST.into_iter().filter_map(sentence).collect()
    }

    /// Claim 1: the distance of the consensus from truth, and its correlation with truth.
    fn closer_to_truth(&self) -> Found {
        let parts = [DISTANCE, CORRELATION].into_iter().flat_map(|of| ROBUST.map(|rule| self.lead_part(rule, of)));
        let mut tensions = Vec::new();
        if let Some(above) = self.average(&is_honest, &|run| Some(run.rules[MEAN].above_truth)) {
            let side = if above.mean > 0.0 { ["above", "lowers"] } else { ["below", "raises"] };
            tensions.push(format!(
                "Without an attack the mean is {:.2} points {} truth on average, so that an attack that {} scores may bring \
                 it closer to truth.",
                above.mean.abs(),
                side[0],
                side[1]
            ));
        }
        let honest = |rule: usize| {
            let distance = self.lead(rule, &is_honest, DISTANCE)?.mean;
            let correlation = self.lead(rule, &is_honest, CORRELATION)?.mean;
            if distance.abs().max(correlation.abs()) <= MATTERS {
                return None;
            }
            let words = |lead: f64, words: [&'static str; 2]| words[usize::from(lead < 0.0)];
            let [far, much] = [words(distance, ["closer to", "farther from"]), words(correlation, ["more", "less"])];
            Some(format!(
                "{} is {:.3} points {far} truth than the mean, and correlates with it by {:.3} {much}",
                TITLES[rule],
                distance.abs(),
                correlation.abs()
            ))
        };
        let honest: Vec<String> = ROBUST.into_iter().filter_map(honest).collect();
        if !honest.is_empty() {
            tensions.push(format!("Without an attack already, {}.", honest.join("; ")));
        }
        tensions.extend(self.where_the_mean_leads("is closer to truth", DISTANCE));
        (parts.collect(), tensions)
    }

    /// Claim 2: the distance of the consensus from what it is on the same draws where nobody attacks.
    fn moved_less(&self) -> Found {
        (ROBUST.map(|rule| self.lead_part(rule, MOVED)).into(), self.where_the_mean_leads("is moved less", MOVED))
    }

    /// Claim 4: evaluators' rewards and inference rewards over K, under the mean.
    fn larger_k(&self) -> Found {
        let conditions: [(&str, IsWanted<'_>); 2] =
            [("without an attack", &is_honest), ("over all attacks and shares", &is_attacked)];
        let of_rule =
            |rule: usize| conditions.iter().flat_map(move |&(when, is_wanted)| self.over_k(rule, when, is_wanted));
        let mut tensions = vec![
            "Under the mean a K-th of the consensus is an evaluator’s own score, so that the mean square of its distance \
             grows as 1 - 1/K whatever evaluators do: that rewards fall says nothing of evaluators."
                .to_owned(),
        ];
        tensions.extend(conditions.iter().flat_map(|&(when, is_wanted)| self.other_variances(when, is_wanted)));
        let differs = |part: &Part| !matches!(part.verdict, Verdict::Holds | Verdict::NotApplicable);
        tensions.extend(ROBUST.into_iter().flat_map(of_rule).filter(differs).map(|part| {
            let value = part.value.unwrap_or(0.0);
            let verdict = if part.verdict == Verdict::Fails { "This fails" } else { "This is open" };
            format!("{verdict}: {} ({value:.4}).", part.what)
        }));
        (of_rule(MEAN).collect(), tensions)
    }

    /// Under one rule: the fall of evaluators' mean reward and the rise of its deviation for every evaluator more, and the
    /// change of inference rewards from the smallest to the largest K.
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
        [
            part(
                format!("fall of evaluators’ mean reward for every evaluator more, {}", ends(mean)),
                slope(mean).map(Estimate::negative),
                0.0,
            ),
            part(
                format!(
                    "rise of the standard deviation of an evaluator’s own rewards for every evaluator more, {}",
                    ends(sd)
                ),
                slope(sd),
                0.0,
            ),
            part(
                format!(
                    "{LEVEL} (assumed) less the change, up or down, of the mean inference reward, {}",
                    ends(inference)
                ),
                change.map(|change| within(LEVEL, change)),
                0.0,
            ),
        ]
    }

    /// What the claim about variance comes to under the mean if it is read otherwise.
    fn other_variances(&self, when: &str, is_wanted: IsWanted<'_>) -> Option<String> {
        let reading = |what: &str, value: fn(&OfRule) -> f64| {
            let [from, to] = self.ends(MEAN, is_wanted, value);
            let word = match self.slope(MEAN, is_wanted, value)?.ci95 {
                Some([low, _]) if low > 0.0 => "rises",
                Some([_, high]) if high < 0.0 => "falls",
                _ => "neither surely rises nor falls",
            };
            Some(format!("the standard deviation {what} {word}, from {from:.3} to {to:.3}"))
        };
        let between = reading("of evaluators’ mean rewards", |rule| rule.evaluator_reward_sd_between)?;
        let overall = reading("over all payments to evaluators", |rule| rule.evaluator_reward_sd_overall)?;
        Some(format!(
            "By other readings of variance, which mix in that evaluators cost more or less, under the mean, {when}: \
             {between}; {overall}."
        ))
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
                "share of {who} whose weight ends within 1% of w_max, of those whose mean deviation is below one half, {when}; \
                 above {NEARLY_ALL} is nearly all (assumed)"
            );
            part(what, self.average(is_wanted, &|run| weights(run).at_top), NEARLY_ALL)
        };
        let parts = vec![
            at_top("evaluators", "without an attack", &is_honest, |run| run.honest_weights),
            at_top("attackers", "over all attacks, shares and K", &is_attacked, |run| run.attackers_weights),
            self.like_the_mean("without an attack", &is_honest),
            self.like_the_mean("over all attacks, shares and K", &is_attacked),
        ];
        let sentence = |who: &str, is_wanted: IsWanted<'_>, weights: fn(&Measured) -> Weights| {
            let mean = self.average(is_wanted, &|run| weights(run).mean)?.mean;
            let below_half = self.average(is_wanted, &|run| weights(run).below_half)?.mean;
            Some(format!(
                "The mean weight of {who} ends at {mean:.3} of w_max; the mean deviation of {:.0}% of them is below one half.",
                100.0 * below_half
            ))
        };
        let sentences = [
            sentence("all evaluators without an attack", &is_honest, |run| run.honest_weights),
            sentence("honest evaluators under attack", &is_attacked, |run| run.honest_weights),
            sentence("attackers", &is_attacked, |run| run.attackers_weights),
        ];
        (parts, sentences.into_iter().flatten().collect())
    }

    /// How much less than [`SAME`] the trust-weighted mean differs from the plain mean of the same scores.
    fn like_the_mean(&self, when: &str, is_wanted: IsWanted<'_>) -> Part {
        let what = format!(
            "{SAME} points (assumed) less the distance of the trust-weighted mean from the plain mean of the same scores over \
             the later half of the rounds, {when}"
        );
        part(what, self.average(is_wanted, &|run| Some(SAME - run.trust_from_mean)), 0.0)
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

/// How much of `room` a change leaves, up or down.
fn within(room: f64, change: Estimate) -> Estimate {
    let ci95 = change.ci95.map(|[low, high]| {
        let smallest = if low > 0.0 {
            low
        } else if high < 0.0 {
            -high
        } else {
            0.0
        };
        [room - low.abs().max(high.abs()), room - smallest]
    });
    Estimate { mean: room - change.mean.abs(), ci95 }
}

fn part(what: String, estimate: Option<Estimate>, above: f64) -> Part {
    match estimate {
        Some(Estimate { mean, ci95 }) => Part::measured(what, mean, ci95, SEEDS, above),
        None => {
            Part::not_applicable("No seed is done, or what would be compared is not defined under any.", SEEDS, above)
        }
    }
}

/// The correlation of an evaluator's scores with truth on tasks of some kinds, and its bootstrap replicates.
struct Tracking<'a> {
    id: &'a str,
    kind: TaskKind,
    pearson: f64,
    resampled: Vec<Option<f64>>,
}

impl Tracking<'_> {
    fn title(&self) -> String {
        format!("{} on {} ({:.2})", self.id, kind_name(self.kind), self.pearson)
    }
}

fn kind_name(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Qa => "questions",
        TaskKind::Summarization => "summaries",
    }
}

/// Claim 3, from the recorded scores alone: the largest difference between an evaluator's correlations with truth on two
/// kinds of task, and the lowest correlation of any. Both are picked among many: their intervals hold for all that they
/// are picked from at once (Bonferroni).
fn by_task_kind(study: &Study, dataset: &Dataset) -> Found {
    let trackings = trackings(study, dataset);
    let at_once = |what: &str| format!("{PROMPTS}, for {what} at once");
    let mut differences: Vec<(&Tracking<'_>, &Tracking<'_>)> = Vec::new();
    for (index, a) in trackings.iter().enumerate() {
        for b in trackings[..index].iter().filter(|b| b.id == a.id) {
            differences.push(if a.pearson > b.pearson { (a, b) } else { (b, a) });
        }
    }
    let widest = differences.iter().max_by(|x, y| (x.0.pearson - x.1.pearson).total_cmp(&(y.0.pearson - y.1.pearson)));
    let varies = match widest {
        Some((more, less)) => {
            let resampled =
                more.resampled.iter().zip(&less.resampled).filter_map(|(more, less)| Some((*more)? - (*less)?));
            let ci95 = simultaneous(resampled, differences.len());
            let what = format!(
                "largest difference of correlations with truth: {}, less {}; more than {VARIES} counts (assumed)",
                more.title(),
                less.title()
            );
            Part::measured(what, more.pearson - less.pearson, ci95, &at_once("all evaluators"), VARIES)
        }
        None => Part::not_applicable(
            "No evaluator’s correlation with truth is defined on two kinds of task.",
            PROMPTS,
            VARIES,
        ),
    };
    let inverts = match trackings.iter().min_by(|a, b| a.pearson.total_cmp(&b.pearson)) {
        Some(lowest) => {
            let ci95 = simultaneous(lowest.resampled.iter().filter_map(|pearson| pearson.map(|r| -r)), trackings.len());
            let what = format!("lowest correlation with truth, its sign turned: {}", lowest.title());
            Part::measured(what, -lowest.pearson, ci95, &at_once("all evaluators and kinds"), 0.0)
        }
        None => Part::not_applicable("No evaluator’s correlation with truth is defined.", PROMPTS, 0.0),
    };
    let parts = vec![varies, inverts];
    if dataset.manifest.id != DATASET_ID {
        let none_inverts = parts[1].verdict == Verdict::Fails;
        let words = || "No evaluator is inverted on these prompts; that none is on others does not follow.".to_owned();
        return (parts, none_inverts.then(words).into_iter().collect());
    }
    let why = "This dataset cannot tell: its profiles are alike for both kinds of task by construction, so that a difference \
               is the luck of its sample, and how far below zero a cross encoder’s correlation is, is assumed.";
    (parts.into_iter().map(|part| Part { verdict: Verdict::NotApplicable, ..part }).collect(), vec![why.to_owned()])
}

/// Every evaluator but judges on every kind of task on which its correlation with truth is defined.
fn trackings<'a>(study: &Study, dataset: &'a Dataset) -> Vec<Tracking<'a>> {
    let replicates = replicate_weights(dataset, &Vec::from_iter(0..dataset.tasks.len()), study.base.seed);
    let mut trackings = Vec::new();
    for (evaluator, entry) in dataset.manifest.evaluators.iter().enumerate().filter(|(_, entry)| entry.kind != JUDGE) {
        let sums = pair_sums(dataset, &study.base, evaluator);
        for kind in TaskKind::ALL {
            let of_kind = |weights: &[u32]| -> Vec<u32> {
                let tasks = dataset.tasks.iter().zip(weights);
                tasks.map(|(task, &weight)| if task.kind == kind { weight } else { 0 }).collect()
            };
            if let Some(pearson) = resampled_pearson(&sums, &of_kind(&vec![1; dataset.tasks.len()])) {
                let resampled = replicates.iter().map(|weights| resampled_pearson(&sums, &of_kind(weights))).collect();
                trackings.push(Tracking { id: &entry.id, kind, pearson, resampled });
            }
        }
    }
    trackings
}

/// The interval of one of `count` values that holds for all of them at once with 95%.
fn simultaneous(resampled: impl Iterator<Item = f64>, count: usize) -> Option<Interval> {
    let tail = 0.025 / count.max(1) as f64;
    stats::quantiles(&mut resampled.collect::<Vec<_>>(), [tail, 1.0 - tail])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_that_of_the_line() {
        assert_eq!(slope(&[(3.0, 1.0), (5.0, 2.0), (7.0, 3.0), (9.0, 4.0)]), 0.5);
        assert_eq!(slope(&[(0.0, 0.0), (1.0, 3.0), (2.0, 0.0)]), 0.0);
    }

    /// A change of at most 2: from -1 to 3 may be none or 3; from -3 to -1 is 1 to 3.
    #[test]
    fn a_change_is_within_its_room_whichever_its_side() {
        let of = |mean, ci95| within(2.0, Estimate { mean, ci95: Some(ci95) });
        assert_eq!(of(1.0, [-1.0, 3.0]), Estimate { mean: 1.0, ci95: Some([-1.0, 2.0]) });
        assert_eq!(of(-2.0, [-3.0, -1.0]), Estimate { mean: 0.0, ci95: Some([-1.0, 1.0]) });
        assert_eq!(of(0.5, [0.25, 0.75]), Estimate { mean: 1.5, ci95: Some([1.25, 1.75]) });
    }

    /// 0 to 1000 in equal steps: for five at once, half a percent is cut off at each end.
    #[test]
    fn intervals_of_many_values_are_wider() {
        let of = |count| simultaneous((0..=1000).map(f64::from), count);
        assert_eq!(of(1), Some([25.0, 975.0]));
        assert_eq!(of(5), Some([5.0, 995.0]));
        assert_eq!(simultaneous(std::iter::empty(), 5), None);
    }
}
