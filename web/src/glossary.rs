//! The terms of the page: definition, formula, and where each comes from.

/// Where a definition or a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The papers leave it open: a choice of ours that the user may change.
    Assumed,
    /// A source, in words.
    Known(&'static str),
}

/// A term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Names it in code.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub definition: &'static str,
    /// Its formula, if it has one.
    pub formula: Option<&'static str>,
    /// Where it comes from.
    pub source: Source,
}

const SUMMARY: Source = Source::Known("a third-party summary of arXiv 2512.16317");
const AUTHORS: Source = Source::Known("the authors’ company on arXiv 2512.16317");
const STATISTICS: Source = Source::Known("standard statistics");

/// Every term, in the order of the help.
pub const TERMS: [Term; 29] = [
    Term {
        id: "round",
        name: "round",
        definition: "A task is drawn; an inference node answers it; K evaluators, drawn without repetition, score the \
                     answer; their consensus decides what everybody is paid.",
        formula: None,
        source: Source::Known("arXiv 2512.16317 runs 5,000 Monte Carlo rounds; what one round draws is assumed"),
    },
    Term {
        id: "score",
        name: "evaluator score",
        definition: "What an evaluator thinks of an answer, from 0 to 10, made from its raw value by a named \
                     normalisation.",
        formula: Some("unit: s = 10 × raw, held to 0…10    sigmoid: s = 10 / (1 + e^−raw)"),
        source: Source::Assumed,
    },
    Term {
        id: "structure",
        name: "structure",
        definition: "An evaluator that looks at an answer’s form alone. Words: 1 to 15 for a question, 25 to 90 for a \
                     summary. Faults: markup or lists; an opening like “Sure” or “The article”; a summary without an \
                     end of sentence.",
        formula: Some(
            "raw = min(1, words / least, most / words) × distinct share of word triples × (1 − 0.25 × faults)",
        ),
        source: Source::Assumed,
    },
    Term {
        id: "consensus",
        name: "consensus",
        definition: "One score from 0 to 10 for an answer, made from the scores of the K evaluators drawn. The rule is \
                     assumed: arXiv 2512.16317 does not state its own; arXiv 2601.21189 calls the baseline “simple \
                     averaging”.",
        formula: Some("mean: c = (s₁ + … + s_K) / K"),
        source: Source::Assumed,
    },
    Term {
        id: "median",
        name: "median",
        definition: "The score in the middle, or halfway between the two in the middle. A minority of liars among the K drawn \
                     cannot move it beyond the honest scores.",
        formula: None,
        source: Source::Known("arXiv 2601.21189 compares it with the mean"),
    },
    Term {
        id: "trimmed_mean",
        name: "trimmed mean",
        definition: "The mean of what is left when the lowest and the highest scores are dropped. The share is assumed; it is \
                     rounded up to whole scores.",
        formula: Some("drop ⌈share × K⌉ at each end, then c = mean of the rest"),
        source: Source::Known("arXiv 2601.21189; its share is not known"),
    },
    Term {
        id: "trust_weight",
        name: "trust weight, clip rule",
        definition: "Each evaluator’s say in the consensus, moved after every score by its deviation d. Whoever \
                     mostly deviates by less than half the scale drifts up to the largest weight; where all do, \
                     cautious colluders too, the rule is the plain mean. λ and the bounds are assumed.",
        formula: Some("c = Σ w s / Σ w    d = |s − c| / 10    w ← clip(w (1 + λ (0.5 − d)), w_min, w_max)"),
        source: Source::Known("a third-party summary of arXiv 2601.21189, eq. 21"),
    },
    Term {
        id: "ema_trust",
        name: "trust weight, EMA rule",
        definition: "Each evaluator’s say in the consensus as a moving average of its closeness, about which it \
                     settles.",
        formula: Some("w ← r w + (1 − r) max(0, 1 − 2 d), held to w_min…w_max    d = |s − c| / 10"),
        source: Source::Assumed,
    },
    Term {
        id: "yuma",
        name: "Yuma-style clipping",
        definition: "Scores count by stake, each cut down to q, the largest that a share κ of the drawn stake is at \
                     or above. Who holds less than κ cannot lift the consensus above the highest of the others’ \
                     scores, but can raise q, and so lift it by more than a mean. Bittensor’s bonds are left out.",
        formula: Some("q = largest score with stake(s ≥ q) ≥ κ × stake    c = Σ stake × min(s, q) / Σ stake"),
        source: Source::Known("Bittensor’s Yuma consensus"),
    },
    Term {
        id: "attack",
        name: "attack",
        definition: "What dishonest nodes do: to their scores (boost, sabotage, noise, one lazy constant, copying, a cabal) or to \
                     their answers and latencies. A share of the evaluators is drawn by the seed; growing it adds attackers and \
                     changes none. Every strength is assumed.",
        formula: Some("boost: s′ = min(10, s + b)    sabotage: s′ = max(0, s − b)"),
        source: Source::Known("arXiv 2601.21189 for noise, boost, sabotage and intermittent manipulation"),
    },
    Term {
        id: "gain",
        name: "gain",
        definition: "What an attacker earns more than it would if all nodes of its attack were honest: the same run is made once \
                     more without that attack, on the same draws, and its mean rewards are compared.",
        formula: Some("gain = mean reward attacking − mean reward honest"),
        source: STATISTICS,
    },
    Term {
        id: "truth",
        name: "truth",
        definition: "How well an answer agrees with the task’s reference: token F1, from 0 to 10. It is for looking at \
                     only: nobody is paid by it.",
        formula: Some("truth = 10 × F1"),
        source: SUMMARY,
    },
    Term {
        id: "f1",
        name: "token F1",
        definition: "The harmonic mean of precision and recall of the answer’s words against the reference’s, after \
                     lower-casing and dropping punctuation and articles; the best over several references.",
        formula: Some("F1 = 2 × precision × recall / (precision + recall)"),
        source: Source::Known("the SQuAD evaluation"),
    },
    Term {
        id: "cost",
        name: "cost",
        definition: "A node’s mean latency, brought to 0…1 within its own pool: inference nodes against inference nodes, \
                     evaluators against evaluators. That cost is mainly latency is known; the normalisation is assumed.",
        formula: Some("min-max: cost = (latency − min) / (max − min)"),
        source: Source::Assumed,
    },
    Term {
        id: "reward",
        name: "reward",
        definition: "What a node is paid for one answer or one score: α times quality minus β times cost. Quality is \
                     c / 10 for an inference node, and closeness to the consensus for an evaluator. The weights’ values \
                     and the form of closeness are assumed.",
        formula: Some("inference: α c/10 − β cost    evaluator: α (1 − |s − c|/10) − β cost"),
        source: AUTHORS,
    },
    Term {
        id: "routing",
        name: "routing by past reward",
        definition: "Who answers is drawn with a probability that grows with the mean of what a node has earned so far (softmax). \
                     Rounds then depend on those before them: intervals stand on more runs. Assumed.",
        formula: Some("P(f) ∝ exp(mean past reward of f / temperature)"),
        source: Source::Assumed,
    },
    Term {
        id: "slashing",
        name: "stakes at risk",
        definition: "An evaluator whose score lies further from the consensus than the distance loses a share of the stake it has \
                     left, which is taken from its reward. With too little left it may be drawn but is not heard and not \
                     paid. Stakes count in units of reward. The papers have no stakes: all of this is assumed.",
        formula: Some("|s − c| > distance: stake ← stake × (1 − share)"),
        source: Source::Assumed,
    },
    Term {
        id: "profit",
        name: "profit and break-even",
        definition: "What a node has left each time it is paid: the reward’s worth less what its time costs it, by the latency \
                     that it truly has. Break-even is the mean reward at which that is 0; ▾ marks it. Both prices are assumed.",
        formula: Some("profit = price × reward − cost per second × latency"),
        source: Source::Assumed,
    },
    Term {
        id: "mean_reward",
        name: "mean reward",
        definition: "The mean over the times a node was paid: for an inference node its answers, for an evaluator its \
                     scores.",
        formula: None,
        source: STATISTICS,
    },
    Term {
        id: "monte_carlo",
        name: "Monte Carlo interval",
        definition: "So made that in 95 of 100 runs it holds what the mean is over all draws on these prompts. More rounds make it \
                     narrower. Where the past decides a run’s path (trust, stakes, routing), it stands on 24 more runs of other draws.",
        formula: Some("mean ± t × sd / √rounds"),
        source: STATISTICS,
    },
    Term {
        id: "prompt_interval",
        name: "prompt interval",
        definition: "What the mean over all draws is on other prompts of the same kinds: 95% by a bootstrap of passages within their \
                     kind, costs with them. More passages make it narrower, more rounds do not; the mean of few rounds may lie \
                     outside. Where the past decides a run’s path, the luck of the draws is in it.",
        formula: None,
        source: STATISTICS,
    },
    Term {
        id: "pearson",
        name: "correlation r",
        definition: "Pearson’s correlation: 1 where two values rise together along a line, 0 where they do not depend on \
                     each other, −1 where one falls as the other rises.",
        formula: Some("r = cov(x, y) / (sd(x) sd(y))"),
        source: STATISTICS,
    },
    Term {
        id: "spearman",
        name: "rank correlation ρ",
        definition: "Spearman’s correlation: Pearson’s, taken of the ranks.",
        formula: None,
        source: STATISTICS,
    },
    Term {
        id: "kendall",
        name: "Kendall’s τ",
        definition: "Agreement of two orders, from −1 (reversed) to 1 (the same): here of the inference nodes by mean \
                     reward and by truth per millisecond. It tells how far the mechanism pays the efficient more.",
        formula: Some("τ = (pairs in the same order − pairs in opposite order) / pairs, ties set apart"),
        source: STATISTICS,
    },
    Term {
        id: "inversion",
        name: "inverted",
        definition: "An evaluator whose scores fall as truth rises, on tasks of one kind: its r is surely below 0, told for \
                     all evaluators and kinds at once (Holm, 5% in all). Where its sign is not sure, it is unclear.",
        formula: None,
        source: Source::Known("arXiv 2601.21189"),
    },
    Term {
        id: "equal_reward",
        name: "lines of equal reward",
        definition: "Along such a line of mean consensus over latency an inference node earns the same. Moving α or β tilts \
                     the lines.",
        formula: Some("consensus = 10 × (reward + β cost) / α"),
        source: Source::Known("the reward’s formula, solved for quality"),
    },
    Term {
        id: "paired",
        name: "Same random numbers",
        definition: "Both runs read the same random numbers: as far as they draw alike, the luck is in both and cancels in their \
                     difference.",
        formula: None,
        source: Source::Known("common random numbers, Glasserman and Yao 1992"),
    },
    Term {
        id: "elementary_effect",
        name: "Elementary effect",
        definition: "The change of a result when one field moves by about half of its range, scaled to the whole of it, the other \
                     fields being anywhere in theirs. μ* is the mean of its size, σ its spread.",
        formula: Some("EE = (y(x + Δ) − y(x)) / Δ    μ* = mean |EE|"),
        source: Source::Known("Morris 1991; Campolongo, Cariboni and Saltelli 2007"),
    },
    Term {
        id: "digest",
        name: "digest",
        definition: "A fingerprint (BLAKE3) of the whole result. Equal digests mean results equal to the last bit.",
        formula: None,
        source: Source::Known("this program"),
    },
];

/// The term of that id.
#[must_use]
pub fn term(id: &str) -> Option<&'static Term> {
    TERMS.iter().find(|term| term.id == id)
}

impl Source {
    /// In words.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Assumed => "Assumed: the papers leave it open, so it is a setting here.".to_owned(),
            Self::Known(source) => format!("Source: {source}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_found() {
        for (index, entry) in TERMS.iter().enumerate() {
            assert_eq!(term(entry.id), Some(entry));
            assert!(TERMS[..index].iter().all(|other| other.id != entry.id));
        }
        assert_eq!(term("nothing"), None);
    }
}
