//! Plans, held to functions whose effects are known.

use super::*;

fn axis(text: &str) -> Axis {
    text.parse().expect("an axis")
}

/// Four levels of `[0, 1]`, and of `[0, 2]`; two seeds.
fn plan(trajectories: u32) -> Plan {
    let axes = vec![
        axis("reward.alpha_inference=0.5:1.5:4"),
        axis("reward.beta_inference=0:2:4"),
        axis("reward.beta_evaluator=0:1:5"),
    ];
    Plan::new(Scenario::default(), axes, trajectories, 2).expect("a plan")
}

fn outputs(plan: &Plan, function: impl Fn(&[f64]) -> Option<f64>) -> Vec<Option<f64>> {
    let numbers = |run| Vec::from_iter(plan.values(run).iter().map(|value| value.as_f64().expect("a number")));
    (0..plan.runs()).map(|run| function(&numbers(run))).collect()
}

#[test]
fn runs_of_a_trajectory_differ_in_one_factor_which_moves_once() {
    let plan = plan(50);
    assert_eq!(plan.runs(), 400);
    let mut starts = [0; 4];
    let mut seeds = Vec::new();
    for trajectory in 0..50 {
        let runs: Vec<_> = (0..4).map(|step| plan.values(8 * trajectory + 2 * step)).collect();
        // Each point has both seeds of its trajectory, which no other trajectory has.
        let of_trajectory: Vec<u64> = (0..8).map(|run| plan.scenario(8 * trajectory + run).seed).collect();
        assert!(of_trajectory.chunks(2).all(|pair| *pair == of_trajectory[..2]), "{of_trajectory:?}");
        assert!(of_trajectory[..2].iter().all(|seed| !seeds.contains(seed)));
        seeds.extend_from_slice(&of_trajectory[..2]);
        let mut moved: Vec<usize> = Vec::new();
        for pair in runs.windows(2) {
            let changed: Vec<usize> = (0..3).filter(|&factor| pair[0][factor] != pair[1][factor]).collect();
            let [factor] = changed[..] else { panic!("{pair:?}") };
            let levels = &plan.factors()[factor].values;
            let level = |value: &Value| levels.iter().position(|level| level == value).expect("a level");
            // Two steps of three, and of four.
            assert_eq!(level(pair[0][factor]).abs_diff(level(pair[1][factor])), 2);
            moved.push(factor);
        }
        moved.sort_unstable();
        assert_eq!(moved, [0, 1, 2]);
        let first = plan.factors()[0].values.iter().position(|level| level == runs[0][0]).expect("a level");
        starts[first] += 1;
    }
    // Each of the four with probability 1/4: sd sqrt(50 * 3/16) = 3.1.
    assert!(starts.iter().all(|&count| (1..=28).contains(&count)), "{starts:?}");
}

#[test]
fn effects_of_a_linear_function_are_its_coefficients_over_the_range() {
    let plan = plan(10);
    let effects = plan.effects(&outputs(&plan, |x| Some(7.0 + 3.0 * x[0] - 2.0 * x[1])));
    let paths: Vec<&str> = effects.iter().map(|effect| effect.path.as_str()).collect();
    assert_eq!(paths, ["reward.beta_inference", "reward.alpha_inference", "reward.beta_evaluator"]);
    // The ranges are 2, 1 and 1 wide.
    for (effect, want) in effects.iter().zip([-4.0_f64, 3.0, 0.0]) {
        assert!((effect.mu.expect("defined") - want).abs() < 1e-12, "{effect:?}");
        assert!((effect.mu_star.expect("defined") - want.abs()).abs() < 1e-12);
        assert!(effect.sigma.expect("defined") < 1e-6, "{effect:?}");
        assert_eq!(
            (effect.effects, effect.undefined, effect.size, effect.beyond_noise),
            (10, 0, effect.mu_star, want != 0.0)
        );
        assert!(effect.noise.expect("two seeds") < 1e-12 && effect.values.len() >= 4, "{effect:?}");
    }
}

/// `x0 * x1`: the effect of `x0` over its range of 1 is `x1`, one of 0, 2/3, 4/3, 2; each trajectory tells one of them.
#[test]
fn an_interaction_shows_in_sigma_and_in_the_interval() {
    let plan = plan(200);
    let effects = plan.effects(&outputs(&plan, |x| Some(x[0] * x[1])));
    let of = |path: &str| effects.iter().find(|effect| effect.path == path).expect("a factor").clone();
    let alpha = of("reward.alpha_inference");
    // Mean 1 and deviation sqrt(5/9) = 0.745 of the four, whose mean over 200 has sd 0.053.
    assert!((alpha.mu.expect("defined") - 1.0).abs() < 0.27, "{alpha:?}");
    assert!((alpha.sigma.expect("defined") - 0.745).abs() < 0.1, "{alpha:?}");
    let [low, high] = alpha.ci95.expect("an interval");
    let half = 1.972 * alpha.sigma.expect("defined") / 200_f64.sqrt();
    let mean = alpha.mu_star.expect("defined");
    assert!((high - mean - half).abs() < 1e-3 && (mean - low - half).abs() < 1e-3, "{alpha:?}");
    // Signs cancel in mu and not in mu_star: the middle of beta's range is a minimum.
    let effects = plan.effects(&outputs(&plan, |x| Some((x[2] - 0.5).abs())));
    assert!(effects[0].mu.expect("defined").abs() < 0.3 && effects[0].mu_star.expect("defined") > 0.5, "{effects:?}");
}

#[test]
fn what_is_undefined_is_counted_and_ranks_last() {
    let plan = plan(4);
    let none = plan.effects(&[]);
    assert!(none.iter().all(|effect| effect.mu_star.is_none() && effect.ci95.is_none() && effect.undefined == 4));
    // The first trajectory alone has outputs.
    let mut some = vec![None; plan.runs()];
    some[..8].fill(Some(2.0));
    for effect in plan.effects(&some) {
        assert_eq!((effect.mu_star, effect.sigma, effect.effects, effect.undefined), (Some(0.0), None, 1, 3));
    }
}

/// Luck of a run, of deviation 1: from its seed and its place, so that nothing of it is the same on both sides.
fn luck(plan: &Plan, run: usize) -> f64 {
    Stream::new(plan.scenario(run).seed.wrapping_add(run as u64), Purpose::Bootstrap).normal()
}

#[test]
fn choices_are_told_by_the_two_that_differ_most() {
    let axes = vec![axis("cost_normalization=min_max,ratio_to_max,log_min_max"), axis("inference_draw=uniform,all")];
    let plan = Plan::new(Scenario::default(), axes, 30, 3).expect("a plan");
    // Two moves and the third cost beside them.
    assert_eq!(plan.runs(), 30 * 4 * 3);
    let outputs: Vec<Option<f64>> = (0..plan.runs())
        .map(|run| {
            let values = plan.values(run);
            let cost = match values[0].as_str().expect("a word") {
                "min_max" => 6.0,
                "ratio_to_max" => 1.0,
                _ => 0.0,
            };
            Some(cost - if *values[1] == "all" { 1.0 } else { 0.0 } + 0.1 * luck(&plan, run))
        })
        .collect();
    let effects = plan.effects(&outputs);
    let [cost, draw] = &effects[..] else { panic!("two factors") };
    assert_eq!(cost.between, Some([Value::from("log_min_max"), Value::from("min_max")]));
    assert_eq!((cost.mu, cost.sigma, cost.effects), (None, None, 30));
    // Means of ninety runs: sd of a difference 0.015.
    assert!((cost.size.expect("defined") - 6.0).abs() < 0.08, "{cost:?}");
    assert!((cost.mu_star.expect("defined") - 4.0).abs() < 0.08, "{cost:?}");
    let [low, high] = cost.ci95.expect("an interval");
    assert!(low < 6.0 && 6.0 < high && high - low < 0.15, "{cost:?}");
    assert!((draw.size.expect("defined") - 1.0).abs() < 0.08 && draw.mu.expect("two values") < -0.9, "{draw:?}");
    assert!(cost.beyond_noise && draw.beyond_noise);
}

/// Luck alone, and luck with an effect of its size: the first is told apart from none of them but by chance, which the
/// correction keeps to one plan in twenty, and the second is found.
#[test]
fn luck_is_no_effect() {
    let axes = || {
        vec![
            axis("reward.alpha_inference=0.5:1.5:4"),
            axis("consensus.rule=mean,median,yuma"),
            axis("inference_draw=uniform,all"),
            axis("reward.beta_inference=0:1:4"),
        ]
    };
    let (mut plans_misled, mut found, mut noise, mut sizes) = (0, 0, 0.0, 0.0);
    for seed in 0..40 {
        let plan = Plan::new(Scenario { seed, ..Scenario::default() }, axes(), 6, 3).expect("a plan");
        let outputs = |coefficient: f64| -> Vec<Option<f64>> {
            let effect = |run: usize| coefficient * plan.values(run)[3].as_f64().expect("a number");
            (0..plan.runs()).map(|run| Some(effect(run) + luck(&plan, run))).collect()
        };
        let none = plan.effects(&outputs(0.0));
        plans_misled += u32::from(none.iter().any(|effect| effect.beyond_noise));
        for effect in none {
            noise += effect.noise.expect("three seeds");
            sizes += effect.size.expect("defined");
        }
        let of = plan.effects(&outputs(5.0)).into_iter().find(|effect| effect.path == "reward.beta_inference");
        found += u32::from(of.expect("a factor").beyond_noise);
    }
    // 40 plans at 5%: 2 expected; more than 6 has probability 0.003.
    assert!(plans_misled <= 6, "{plans_misled}");
    assert_eq!(found, 40);
    // The noise that is told is the size that is seen where there is nothing else.
    assert!((0.85..1.18).contains(&(noise / sizes)), "{noise} {sizes}");
}

#[test]
fn the_same_seed_gives_the_same_plan() {
    assert_eq!(plan(5), plan(5));
    let other =
        Plan::new(Scenario { seed: 43, ..Scenario::default() }, plan(5).factors().to_vec(), 5, 2).expect("a plan");
    assert_ne!(plan(5).trajectories, other.trajectories);
    let outputs: Vec<Option<f64>> = (0..other.runs()).map(|run| Some(luck(&other, run))).collect();
    assert_eq!(other.effects(&outputs), other.effects(&outputs));
}

#[test]
fn plans_that_cannot_be_are_refused() {
    let refused = |axes: &[&str], trajectories| {
        let axes = axes.iter().map(|text| axis(text)).collect();
        Plan::new(Scenario::default(), axes, trajectories, 2).expect_err("must be refused").to_string()
    };
    assert!(refused(&[], 10).contains("0 factors; allowed: 1 to 40"));
    assert!(refused(&["evaluators_per_round=1,2", "evaluators_per_round=2,3"], 10).contains("varied twice"));
    assert!(refused(&["evaluators_per_round=3"], 10).contains("a single value"));
    assert!(refused(&["evaluators_per_round=0,3"], 10).contains("`evaluators_per_round`: 0 is out of range"));
    assert!(refused(&["evaluators_per_round=1,3"], 1).contains("`trajectories`: 1 is out of range"));
    assert!(refused(&["seed=1,2"], 10).contains("several seeds already"));
    // Each value can be by itself; no trajectory avoids a trimmed mean of one or two scores.
    let conflict = refused(&["evaluators_per_round=1,2", "consensus.rule=mean,trimmed_mean"], 2);
    assert!(conflict.contains("`consensus.trim_share`: 1 of K = "), "{conflict}");
}

#[test]
fn trajectories_avoid_scenarios_that_cannot_be() {
    let base = Scenario::preset("drift-under-clip").expect("a preset");
    let axes =
        vec![axis("consensus.w_min=0.1:1:6"), axis("consensus.w_max=0.2,1,2,4"), axis("consensus.w_initial=0.2:1:4")];
    assert!(Plan::new(base.clone(), axes, 5, 2).is_err(), "0.2 is below the initial weight of the base itself");
    let axes = vec![axis("consensus.w_min=0.1:1:6"), axis("consensus.w_initial=0.2:2:4")];
    let plan = Plan::new(base, axes, 40, 2).expect("a plan");
    for run in 0..plan.runs() {
        plan.scenario(run).check().expect("valid");
    }
}

/// A trimmed mean of fewer than three scores cannot be: where a trajectory has so few, it is left out there alone.
#[test]
fn choices_that_cannot_be_somewhere_are_left_out_there() {
    let axes = vec![axis("evaluators_per_round=1,2,3,4,5"), axis("consensus.rule=mean,median,trimmed_mean")];
    let plan = Plan::new(Scenario::default(), axes, 40, 2).expect("a plan");
    let mut ks: Vec<u64> = Vec::new();
    for run in 0..plan.runs() {
        let values = plan.values(run);
        let k = values[0].as_u64().expect("a number");
        assert!(k > 2 || *values[1] != "trimmed_mean");
        plan.scenario(run).check().expect("valid");
        ks.push(k);
    }
    ks.sort_unstable();
    ks.dedup();
    assert_eq!(ks, [1, 2, 3, 4, 5]);
    // A rule's own number, whatever K is: the difference is that of the rules, though some lack one.
    let rule = |run: usize| match plan.values(run)[1].as_str() {
        Some("trimmed_mean") => 2.0,
        Some("median") => -1.0,
        _ => 0.0,
    };
    let outputs: Vec<Option<f64>> =
        (0..plan.runs()).map(|run| Some(rule(run) + plan.values(run)[0].as_f64().expect("K"))).collect();
    let effects = plan.effects(&outputs);
    let of = |path: &str| effects.iter().find(|effect| effect.path == path).expect("a factor");
    let rules = of("consensus.rule");
    assert!((rules.size.expect("defined") - 3.0).abs() < 1e-12 && rules.beyond_noise, "{rules:?}");
    assert_eq!(rules.between, Some([Value::from("median"), Value::from("trimmed_mean")]));
    assert!((of("evaluators_per_round").size.expect("defined") - 4.0).abs() < 1e-12);
}

#[test]
fn axes_take_the_place_of_factors_that_they_overlap() {
    let paths = |given: &[&str], axes: &[&str]| -> Vec<String> {
        let read = |texts: &[&str]| texts.iter().map(|text| axis(text)).collect();
        overridden(read(given), read(axes)).into_iter().map(|axis| axis.path).collect()
    };
    let rule = ["reward.alpha_inference=1,2", "consensus.rule=mean,median", "seed=1,2"];
    assert_eq!(paths(&rule, &["consensus.rule=mean,yuma"]), ["reward.alpha_inference", "consensus.rule", "seed"]);
    assert_eq!(paths(&rule, &["consensus.kappa=0,1"]), ["reward.alpha_inference", "seed", "consensus.kappa"]);
    let parameters = ["consensus.w_min=1,2", "consensus.w_max=3,4", "rounds=5,6"];
    assert_eq!(paths(&parameters, &["consensus.w_max=5,6"]), ["consensus.w_min", "consensus.w_max", "rounds"]);
    assert_eq!(paths(&parameters, &["consensus.rule=mean,yuma"]), ["rounds", "consensus.rule"]);
    assert_eq!(paths(&["seed=1,2", "reward.alpha_inference=1,2"], &["seed=3,4"])[0], "seed");
    assert_eq!(overridden(vec![axis("seed=1,2")], vec![axis("seed=3,4")]), [axis("seed=3,4")]);
    let quoted = [r#"score_normalization."a-1.5b"=unit,ten"#, "score_normalization.b=unit,ten"];
    assert_eq!(
        paths(&quoted, &["score_normalization.a-1.5b=unit,sigmoid"]),
        ["score_normalization.a-1.5b", "score_normalization.b"]
    );
}
