//! `poq link`: between scenarios and share links.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use poq_core::link::{Link, MAX_LINK_CHARS, Replay, View};
use poq_core::report::DatasetName;

use super::simulate::{self, ScenarioSource};
use crate::console::say;
use crate::fault::{Blame as _, Fault, Outcome};
use crate::{dataset, interrupt, text};

#[derive(Subcommand)]
pub enum Command {
    /// Run a scenario and print the share link of its result
    Encode {
        #[command(flatten)]
        source: ScenarioSource,
        /// Address of the page to put before the link; what it has from `#` on is dropped
        #[arg(long, default_value = "")]
        page: String,
    },
    /// Print the scenario that a share link holds, as JSON; what else it holds goes to standard error
    Decode {
        /// The link, or its part from `#` on (`-`: standard input)
        link: String,
        /// Also replay the scenario and say whether the result is the link's: exit code 4 where it differs, 5 where
        /// they cannot be compared
        #[arg(long)]
        replay: bool,
        /// Folder of the dataset to replay on, or the id of a shipped one; without it, the one that the link names
        #[arg(long, requires = "replay")]
        dataset: Option<PathBuf>,
    },
}

pub fn run(command: &Command) -> Outcome {
    interrupt::watch()?;
    match command {
        Command::Encode { source, page } => {
            let (dataset, scenario) = source.load()?;
            let report = simulate::simulate(&dataset, &scenario)?;
            interrupt::check()?;
            super::print(&Link::of(&report, View::default()).at(page)?)
        }
        Command::Decode { link, replay, dataset } => decode(link, *replay, dataset.as_deref()),
    }
}

fn decode(text: &str, replay: bool, folder: Option<&Path>) -> Outcome {
    let from_input;
    let text = if text == "-" {
        // One character more than is allowed is enough to refuse the rest unread.
        let limit = MAX_LINK_CHARS as u64 + 1;
        let mut bytes = Vec::new();
        std::io::stdin().take(limit).read_to_end(&mut bytes).input("standard input")?;
        from_input = text::decoded(bytes).map_err(|message| Fault::input(format!("standard input: {message}")))?;
        from_input.as_str()
    } else {
        text
    };
    let link: Link = text.parse()?;
    super::print_json(&link.scenario)?;
    if let Some(name) = &link.dataset {
        say(format_args!("dataset {} ({})", name.id, name.hash));
    }
    if let Some(digest) = &link.digest {
        say(format_args!("digest  {digest}"));
    }
    if !replay {
        return Ok(());
    }
    let dataset = dataset::load(folder, &link.scenario.preset, link.shipped())?;
    if let Some(named) = link.dataset.as_ref().filter(|named| named.hash != dataset.hash) {
        // The scenario may not fit another dataset at all.
        let here = DatasetName { id: dataset.manifest.id.clone(), hash: dataset.hash.clone() };
        let replay = Replay::OtherDataset { link: named.clone(), here };
        return Err(Fault::NotComparable(format!("{replay} Name its folder with --dataset.")));
    }
    let report = simulate::simulate(&dataset, &simulate::fitted(&dataset, &link.scenario)?)?;
    interrupt::check()?;
    let replay = link.compare(&report);
    match replay {
        Replay::Reproduced => {
            say(replay);
            Ok(())
        }
        Replay::OtherDigest { .. } => Err(Fault::Differs(replay.to_string())),
        Replay::NoDigest | Replay::OtherDataset { .. } | Replay::OtherEngine { .. } => {
            Err(Fault::NotComparable(replay.to_string()))
        }
    }
}
