//! `poq`: the native worker of PoQ Lab.
//!
//! Runs models over prompts and makes the datasets that the page loads; simulates, scores and makes links from a shell.
//! Data goes to standard output, progress and messages to standard error. Exit codes: see [`fault::Fault`].

// They panic where nobody reads: everything goes through `console`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cache;
mod commands;
mod console;
mod corpus;
mod dataset;
mod fault;
mod hash;
mod interrupt;
mod jsonl;
mod lock;
mod models;
mod notices;
mod precompute;
mod progress;
mod text;
mod words;

use std::process::ExitCode;

use clap::Parser;

use commands::{
    audit, check, compare, embed, fetch, generate, link, reproduce, score, search, sensitivity, simulate, sweep, train,
};

/// PoQ Lab's native worker: models, datasets and simulation from a shell.
#[derive(Parser)]
#[command(name = "poq", version, max_term_width = 100, after_help = fault::EXIT_CODES)]
enum Cli {
    /// Run a scenario and print its report
    Simulate(simulate::Arguments),
    /// Run a scenario over a grid of values of its fields, on all cores, as CSV or JSON
    Sweep(sweep::Arguments),
    /// Run a scenario and its assertions; JUnit out, exit code 100 where one does not hold
    Check(check::Arguments),
    /// Two mechanisms on the same random numbers, with the paired difference of every node's mean reward
    Compare(compare::Arguments),
    /// Which evaluators track truth, and what the mechanism does without each
    Audit(audit::Arguments),
    /// The attack that gains most, or each node's best deviation from honesty
    Search(search::Arguments),
    /// Which assumption matters: elementary effects of the assumed fields on a figure
    Sensitivity(sensitivity::Arguments),
    /// What the papers published beside what is measured
    Reproduce(reproduce::Arguments),
    /// Turn a scenario into a share link, or back
    #[command(subcommand)]
    Link(link::Command),
    /// Token F1 and exact match of JSONL {prediction, references[]} on standard input; or what an evaluator of a plan
    /// says of JSONL {prompt, context, prediction, references[]}
    Score(score::Arguments),
    /// Sentence embeddings of JSONL {text} on standard input
    Embed(embed::Arguments),
    /// Continue JSONL {prompt} or {messages} on standard input
    Generate(generate::Arguments),
    /// Run models and evaluators over tasks as a plan says, and write a dataset
    Precompute(precompute::Arguments),
    /// Fit judges to a dataset, each held out from its own passages, starting from a sentence encoder
    Train(train::Arguments),
    /// Model weights in the cache
    #[command(subcommand)]
    Models(fetch::Command),
}

fn main() -> ExitCode {
    let outcome = match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(told) if told.use_stderr() => {
            console::say(told.render().to_string().trim_end());
            return ExitCode::from(2);
        }
        // Help and version are data.
        Err(told) => console::print(&told.render().to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            if !console::reader_is_gone() {
                console::say(format_args!("poq: {fault}"));
            }
            ExitCode::from(fault.exit_code())
        }
    }
}

fn run(cli: Cli) -> fault::Outcome {
    match cli {
        Cli::Simulate(arguments) => simulate::run(&arguments),
        Cli::Sweep(arguments) => sweep::run(&arguments),
        Cli::Check(arguments) => check::run(&arguments),
        Cli::Compare(arguments) => compare::run(&arguments),
        Cli::Audit(arguments) => audit::run(&arguments),
        Cli::Search(arguments) => search::run(&arguments),
        Cli::Sensitivity(arguments) => sensitivity::run(&arguments),
        Cli::Reproduce(arguments) => reproduce::run(&arguments),
        Cli::Link(command) => link::run(&command),
        Cli::Score(arguments) => score::run(&arguments),
        Cli::Embed(arguments) => embed::run(&arguments),
        Cli::Generate(arguments) => generate::run(&arguments),
        Cli::Precompute(arguments) => precompute::run(&arguments),
        Cli::Train(arguments) => train::run(&arguments),
        Cli::Models(command) => fetch::run(&command),
    }
}
