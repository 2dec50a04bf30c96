//! The result in one sentence, made from the report.

use poq_core::Report;
use poq_core::report::NodeReport;

use crate::format;
use crate::protocol::Summary;

/// Who earns most, by how much, against whom, and whether consensus can be trusted.
#[must_use]
pub fn headline(report: &Report, summary: &Summary) -> String {
    if report.rounds == 0 {
        return "No rounds yet.".to_owned();
    }
    let earnings = earnings(report, summary);
    let rounds = format::counted(report.rounds, "round", "rounds");
    let r = report.mechanism.pearson_consensus_truth;
    format!("Over {rounds} {earnings}; {}{}.", trust(r), attackers(report, summary))
}

/// Whether an attack pays: the attacker that gains most, if its interval says that it gains.
fn attackers(report: &Report, summary: &Summary) -> String {
    let gained = report.attackers.iter().filter_map(|attacker| Some((attacker, attacker.gain_mean?)));
    let Some((best, gain)) = gained.max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return String::new();
    };
    let node = report.inference_nodes.iter().chain(&report.evaluator_nodes).find(|node| node.id == best.id);
    let name = node.map_or_else(|| best.id.clone(), |node| summary.node_name(node));
    let kind = best.kind.replace('_', " ");
    match best.ci95_monte_carlo {
        Some([low, _]) if low > 0.0 => format!("; {name} gains {} by its attack ({kind})", format::number(gain)),
        Some([_, high]) if high < 0.0 => {
            format!("; no attack pays, the best ({kind}) costs {name} {}", format::number(-gain))
        }
        _ => format!("; whether an attack pays is within chance, the best being {name} ({kind})"),
    }
}

/// With at least this chance an order is told as one.
const SURE: f64 = 0.95;

fn earnings(report: &Report, summary: &Summary) -> String {
    let mut paid: Vec<(&NodeReport, f64)> =
        report.inference_nodes.iter().filter_map(|node| node.reward_mean.map(|mean| (node, mean))).collect();
    paid.sort_by(|a, b| b.1.total_cmp(&a.1));
    let Some(&(best, mean)) = paid.first() else {
        return "no inference node has answered yet".to_owned();
    };
    let name = summary.node_name(best);
    let amount = amount(best, mean);
    if paid.len() == 1 {
        return format!("{name}, the only inference node that answered, earns {amount} an answer");
    }
    if paid.iter().all(|&(_, other)| other == mean) {
        return format!("every inference node earns the same, {amount} an answer");
    }
    let chance = report.leader.as_ref().map(|leader| (leader.chance_draws, leader.chance_prompts));
    let (is_sure, level) = match chance {
        None => (false, " (they are alike: which one does is within chance)".to_owned()),
        Some((None, _)) => (false, " (how surely is not known)".to_owned()),
        Some((Some(draws), _)) if draws < SURE => (false, " (which one does is within chance)".to_owned()),
        Some((_, Some(prompts))) if prompts < SURE => {
            (false, format!(" (on other prompts in {} of 100 cases)", format::fixed(100.0 * prompts, 0)))
        }
        Some(_) => (true, String::new()),
    };
    let (worst, low) = paid[paid.len() - 1];
    let worst_name = summary.node_name(worst);
    let against = if low > 0.0 && mean > 0.0 {
        format!("{} times {worst_name}, which earns least", format::significant(mean / low, 2))
    } else if low < 0.0 && mean > 0.0 {
        format!("while {worst_name} loses {}", format::number(-low))
    } else if mean <= 0.0 {
        format!("so that nobody gains; {worst_name} loses most, {}", format::number(-low))
    } else {
        format!("while {worst_name} earns nothing")
    };
    let verb = match (mean > 0.0, is_sure) {
        (true, true) => "earns most",
        (true, false) => "seems to earn most",
        (false, true) => "loses least",
        (false, false) => "seems to lose least",
    };
    let amount = if mean > 0.0 { amount } else { self::amount(best, -mean) };
    format!("{name} {verb}, {amount} an answer{level}, {against}")
}

/// The mean with the half-width of its Monte Carlo interval.
fn amount(node: &NodeReport, mean: f64) -> String {
    match node.ci95_monte_carlo {
        Some([low, high]) => format::plus_minus(mean, (high - low) / 2.0),
        None => format::number(mean),
    }
}

fn trust(r: Option<f64>) -> String {
    let Some(r) = r else {
        return "whether consensus follows truth is not defined, as one of them does not vary".to_owned();
    };
    let value = format::fixed(r, 2);
    match r {
        r if r <= -0.1 => format!("consensus runs against truth (r = {value})"),
        r if r < 0.1 => format!("consensus hardly depends on truth (r = {value})"),
        r if r < 0.4 => format!("consensus follows truth weakly (r = {value})"),
        _ => format!("consensus follows truth with r = {value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn words(scenario: &str) -> String {
        headline(&fixture::report(scenario), &Summary::of(&fixture::dataset()))
    }

    #[test]
    fn it_names_who_earns_most_and_by_how_much() {
        let text = words(r#"{"evaluators_per_round": 2}"#);
        assert!(text.starts_with("Over 5,000 rounds Quick node earns most, 0."), "{text}");
        assert!(text.contains(" times Slow node, which earns least; consensus follows truth"), "{text}");
    }

    #[test]
    fn losses_are_called_losses() {
        let text = words(r#"{"evaluators_per_round": 2, "reward": {"beta_inference": 3}}"#);
        assert!(text.contains("Quick node earns most") && text.contains("while Slow node loses"), "{text}");
        let text =
            words(r#"{"reward": {"beta_inference": 3, "alpha_inference": 0}, "cost_normalization": "ratio_to_max"}"#);
        assert!(text.contains("Quick node loses least, 0.0667 an answer"), "{text}");
        assert!(text.contains("so that nobody gains; Slow node loses most, 3.00"), "{text}");
    }

    #[test]
    fn an_order_that_other_prompts_turn_round_is_no_fact() {
        let mut report = fixture::report(r#"{"evaluators_per_round": 2}"#);
        let summary = Summary::of(&fixture::dataset());
        let mut words = |draws, prompts| {
            let leader = report.leader.as_mut().expect("a leader");
            (leader.chance_draws, leader.chance_prompts) = (draws, prompts);
            headline(&report, &summary)
        };
        assert!(words(Some(0.999), Some(0.97)).contains("rounds Quick node earns most, 0."));
        let text = words(Some(0.999), Some(0.731));
        assert!(
            text.contains("Quick node seems to earn most") && text.contains("(on other prompts in 73 of 100 cases)")
        );
        assert!(words(Some(0.9), Some(0.99)).contains("(which one does is within chance)"));
        assert!(words(None, None).contains("(how surely is not known)"));
    }

    #[test]
    fn chance_is_called_chance() {
        let text = words(
            r#"{"rounds": 30, "network": {"inference": [{"model": "quick", "count": 2}]},
                               "evaluators_per_round": 1}"#,
        );
        assert!(text.contains("within chance") && text.contains("Quick node #"), "{text}");
    }

    #[test]
    fn attackers_are_told() {
        let with = |attack: &str| words(&format!(r#"{{"evaluators_per_round": 2, "attacks": [{attack}]}}"#));
        let text = with(r#"{"nodes": ["slow"], "kind": "latency_misreport", "factor": 0.02}"#);
        assert!(text.contains("; Slow node gains 0.") && text.contains("by its attack (latency misreport)."), "{text}");
        let text = with(r#"{"nodes": ["odd"], "kind": "noise", "sd": 5}"#);
        assert!(text.contains("; no attack pays, the best (noise) costs Odd 0."), "{text}");
        let text = with(r#"{"nodes": ["odd"], "kind": "boost", "by": 0}"#);
        assert!(text.contains("within chance"), "{text}");
    }

    #[test]
    fn few_rounds_and_few_nodes_have_words_too() {
        let text = words(r#"{"rounds": 1}"#);
        assert!(text.starts_with("Over 1 round ") && text.contains("the only inference node that answered"), "{text}");
        assert!(text.contains("is not defined"), "{text}");
        let mut report = fixture::report("{}");
        report.rounds = 0;
        assert_eq!(headline(&report, &Summary::of(&fixture::dataset())), "No rounds yet.");
        assert!(!text.contains("NaN") && !text.contains("undefined"), "{text}");
    }
}
