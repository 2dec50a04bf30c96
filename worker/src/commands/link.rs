//! `poq link`: between scenarios and share links.

use std::io::{Read as _, Write as _};

use clap::Subcommand;
use poq_core::link::{Link, MAX_LINK_CHARS, View};

use super::simulate::{self, ScenarioSource};
use crate::dataset;
use crate::fault::{Blame as _, Outcome};
use crate::interrupt;

#[derive(Subcommand)]
pub enum Command {
    /// Run a scenario and print the share link of its result
    Encode {
        #[command(flatten)]
        source: ScenarioSource,
        /// Address of the page to put before the link
        #[arg(long, default_value = "")]
        page: String,
    },
    /// Print the scenario that a share link holds, as JSON; what else it holds goes to standard error
    Decode {
        /// The link, or its part from `#` on (`-`: standard input)
        link: String,
        /// Also replay the scenario on the shipped dataset and say whether the result is the link's
        #[arg(long)]
        replay: bool,
    },
}

pub fn run(command: &Command) -> Outcome {
    interrupt::watch()?;
    match command {
        Command::Encode { source, page } => {
            let (dataset, scenario) = source.load()?;
            let report = simulate::simulate(&dataset, &scenario)?;
            interrupt::check()?;
            let link = Link::of(&report, View::default());
            writeln!(std::io::stdout(), "{page}{link}").environment("cannot write to standard output")
        }
        Command::Decode { link, replay } => decode(link, *replay),
    }
}

fn decode(text: &str, replay: bool) -> Outcome {
    let mut from_input = String::new();
    let text = if text == "-" {
        // One character more than is allowed is enough to refuse the rest unread.
        let limit = MAX_LINK_CHARS as u64 + 1;
        std::io::stdin().take(limit).read_to_string(&mut from_input).input("standard input")?;
        from_input.as_str()
    } else {
        text
    };
    let link: Link = text.parse()?;
    let json = serde_json::to_string_pretty(&link.scenario).environment("cannot serialise the scenario")?;
    writeln!(std::io::stdout(), "{json}").environment("cannot write to standard output")?;
    if let Some(name) = &link.dataset {
        eprintln!("dataset {} ({})", name.id, name.hash);
    }
    if let Some(digest) = &link.digest {
        eprintln!("digest  {digest}");
    }
    if replay {
        let report = simulate::simulate(&dataset::load(None, &link.scenario.preset)?, &link.scenario)?;
        interrupt::check()?;
        eprintln!("{}", link.compare(&report));
    }
    Ok(())
}
