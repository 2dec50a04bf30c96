//! Share links: `<page>#1.<payload>`, a version and then base64url of raw-deflated canonical JSON.
//!
//! The payload holds what differs from a preset, the seed and rounds, the dataset's name, what is on view, and the
//! digest of the result, so that whoever opens it can replay the run and see whether it gives the same result to the
//! bit. Parsing is bounded in memory and time whatever the link holds: [`MAX_LINK_CHARS`] in, [`MAX_JSON_BYTES`]
//! inflated. A link is found in what chat, mail and trackers make of it: see [`Link::from_str`].

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dataset::Shipped;
use crate::json::{self, Fault};
use crate::report::{DatasetName, Report};
use crate::scenario::{Scenario, ScenarioError};

/// What follows a payload may leave bits over.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Addresses within addresses that are undone.
const NESTED: usize = 3;
/// Version of the link format that this code writes.
pub const LINK_VERSION: u32 = 1;
/// Characters of a link at most.
pub const MAX_LINK_CHARS: usize = 64 << 10;
/// Bytes of the inflated payload at most.
pub const MAX_JSON_BYTES: usize = 256 << 10;

/// The part of the page that is on view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Controls of the network.
    Network,
    /// The result.
    #[default]
    Results,
    /// Many scenarios side by side.
    Explore,
    /// Models on the reader's own device.
    Score,
    /// The papers' figures and claims.
    Reproduce,
}

/// What is on view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// The place.
    #[serde(default)]
    pub place: Place,
    /// The round that is opened, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u64>,
}

/// What a share link holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The complete scenario.
    pub scenario: Scenario,
    /// The dataset that the result stands on, if the link names one.
    pub dataset: Option<DatasetName>,
    /// Version of the arithmetic that made the result.
    pub engine_version: Option<String>,
    /// Digest of the result.
    pub digest: Option<String>,
    /// What was on view.
    pub view: View,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    // In alphabetical order: the JSON is canonical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dataset: Option<DatasetName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    engine: Option<String>,
    preset: String,
    rounds: u64,
    scenario: Value,
    seed: u64,
    #[serde(default)]
    view: View,
}

/// Why a text is not a share link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// There is no `#<version>.<payload>` in the text.
    #[error("not a share link: it has no `#<version>.<payload>`")]
    NotALink,
    /// The link is longer than any that a page makes.
    #[error(
        "the share link is {0} characters long; allowed: up to {MAX_LINK_CHARS}; a file of the scenario holds more"
    )]
    TooLong(usize),
    /// A version that this code does not know.
    #[error("the share link has version {0}, made by a newer PoQ Lab; this one reads version {LINK_VERSION}")]
    UnknownVersion(u64),
    /// The payload is cut short or damaged.
    #[error("the share link is damaged or cut short: {0}")]
    Damaged(String),
    /// The payload inflates to more than any link needs.
    #[error("the share link unpacks to more than {MAX_JSON_BYTES} bytes")]
    TooLarge,
    /// A field of the payload is wrong.
    #[error("share link field `{path}`: {message}")]
    Field {
        /// Path of the field.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// A field of the scenario is wrong.
    #[error("share link, {0}")]
    Scenario(#[from] ScenarioError),
}

impl Link {
    /// The link of a result.
    #[must_use]
    pub fn of(report: &Report, view: View) -> Self {
        Self {
            scenario: report.scenario.clone(),
            dataset: Some(report.dataset.clone()),
            engine_version: Some(report.engine_version.clone()),
            digest: Some(report.digest.clone()),
            view,
        }
    }

    /// The shipped dataset that a result on one stands on, by its id; that of a link which names none is the newest.
    #[must_use]
    pub fn shipped(&self) -> Shipped {
        self.dataset.as_ref().and_then(|dataset| Shipped::of(&dataset.id)).unwrap_or_default()
    }

    /// What replaying the link gave, against what it holds.
    #[must_use]
    pub fn compare(&self, report: &Report) -> Replay {
        if let Some(dataset) = self.dataset.as_ref().filter(|dataset| **dataset != report.dataset) {
            return Replay::OtherDataset { link: dataset.clone(), here: report.dataset.clone() };
        }
        if let Some(engine) = self.engine_version.as_ref().filter(|engine| **engine != report.engine_version) {
            return Replay::OtherEngine { link: engine.clone(), here: report.engine_version.clone() };
        }
        match &self.digest {
            None => Replay::NoDigest,
            Some(digest) if *digest == report.digest => Replay::Reproduced,
            Some(digest) => Replay::OtherDigest { link: digest.clone(), here: report.digest.clone() },
        }
    }
}

/// What replaying a link gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Replay {
    /// The same digest: the same result to the last bit.
    Reproduced,
    /// The link names a scenario but no result.
    NoDigest,
    /// The link's result stands on another dataset than the one here.
    OtherDataset {
        /// The link's.
        link: DatasetName,
        /// The one here.
        here: DatasetName,
    },
    /// The link's result was made by another version of the arithmetic.
    OtherEngine {
        /// The link's.
        link: String,
        /// The one here.
        here: String,
    },
    /// Same dataset and version, yet another result: the link was changed by hand, or something is wrong.
    OtherDigest {
        /// The link's.
        link: String,
        /// The one here.
        here: String,
    },
}

/// In words for people.
impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |digest: &str| digest.chars().take(12).collect::<String>();
        match self {
            Self::Reproduced => write!(f, "Reproduced: the same result to the last bit."),
            Self::NoDigest => write!(f, "The link names a scenario but no result to compare with."),
            Self::OtherDataset { link, here } if link.id == here.id => write!(
                f,
                "Not comparable: the link's result stands on another version of the dataset {} ({}) than the one here ({}).",
                link.id,
                short(&link.hash),
                short(&here.hash)
            ),
            Self::OtherDataset { link, here } => write!(
                f,
                "Not comparable: the link's result stands on the dataset {} ({}); here it is {} ({}).",
                link.id,
                short(&link.hash),
                here.id,
                short(&here.hash)
            ),
            Self::OtherEngine { link, here } => write!(
                f,
                "Not comparable: the link's result was made by engine version {link}; this is version {here}."
            ),
            Self::OtherDigest { link, here } => write!(
                f,
                "Not reproduced: the link says {}, but this run gave {}. The link may have been changed by hand.",
                short(link),
                short(here)
            ),
        }
    }
}

/// The fragment, from `#` on.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packed = miniz_oxide::deflate::compress_to_vec(&self.payload().map_err(|_| fmt::Error)?, 9);
        write!(f, "#{LINK_VERSION}.{}", URL_SAFE_NO_PAD.encode(packed))
    }
}

impl Link {
    /// The link at the address `page`, whose own fragment is dropped. Whatever this gives can be read.
    ///
    /// # Errors
    /// For a scenario that no link has room for, and an address that a link would be lost in.
    pub fn at(&self, page: &str) -> Result<String, LinkError> {
        if self.payload().is_ok_and(|json| json.len() > MAX_JSON_BYTES) {
            return Err(LinkError::TooLarge);
        }
        let page = page.trim().split('#').next().unwrap_or_default();
        let link = format!("{page}{self}");
        if link.len() > MAX_LINK_CHARS {
            return Err(LinkError::TooLong(link.len()));
        }
        link.parse::<Self>().map(|_| link)
    }

    /// Canonical JSON of all that the link holds.
    fn payload(&self) -> serde_json::Result<Vec<u8>> {
        let mut scenario = self.scenario.patch();
        if let Some(fields) = scenario.as_object_mut() {
            for apart in ["preset", "rounds", "seed"] {
                fields.remove(apart);
            }
        }
        serde_json::to_vec(&Payload {
            dataset: self.dataset.clone(),
            digest: self.digest.clone(),
            engine: self.engine_version.clone(),
            preset: self.scenario.preset.clone(),
            rounds: self.scenario.rounds,
            scenario,
            seed: self.scenario.seed,
            view: self.view,
        })
    }
}

/// From a whole address, or from the fragment alone, with or without its `#`, as it comes out of chats and mails: with
/// words or signs around it, other parameters before or after, escaped (`%23`), with zero-width characters, broken into
/// lines.
impl FromStr for Link {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        if text.len() > MAX_LINK_CHARS {
            return Err(LinkError::TooLong(text.len()));
        }
        let text = unescaped(text);
        let (version, after) = fragment(&text).ok_or(LinkError::NotALink)?;
        let version = version.parse().unwrap_or(u64::MAX);
        if version != u64::from(LINK_VERSION) {
            return Err(LinkError::UnknownVersion(version));
        }
        // The payload ends at the first character that base64url lacks. Only if that is no link may it go on after what
        // breaks lines; what follows a whole payload does no harm, as deflate knows its end.
        let is_payload = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let whole: String = after.chars().take_while(|&c| is_payload(c)).collect();
        Self::from_base64(&whole).or_else(|error| {
            let breaks = |c: char| c.is_whitespace() || matches!(c, '>' | '=' | '|');
            let broken = after.chars().take_while(|&c| is_payload(c) || breaks(c));
            let joined: String = broken.filter(|&c| is_payload(c)).collect();
            if joined.len() == whole.len() { Err(error) } else { Self::from_base64(&joined).map_err(|_| error) }
        })
    }
}

/// The text without characters that have no width, and with escapes of an address undone, those of an address within an
/// address too.
fn unescaped(text: &str) -> String {
    let has_width = |c: &char| !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    let mut text: String = text.chars().filter(has_width).collect();
    for _ in 0..NESTED {
        text = text.replace("%25", "%");
    }
    for (escape, sign) in [("%23", "#"), ("%20", " "), ("%0A", "\n"), ("%0D", "\n"), ("%2E", ".")] {
        text = text.replace(escape, sign).replace(&escape.to_lowercase(), sign);
    }
    text
}

/// The version and what follows its dot: after a `#` that has both, that of this version before others, else at the
/// beginning of the text.
fn fragment(text: &str) -> Option<(&str, &str)> {
    fn versioned(text: &str) -> Option<(&str, &str)> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        Some((&text[..digits], text[digits..].strip_prefix('.')?)).filter(|_| digits > 0)
    }
    let found = || text.match_indices('#').filter_map(|(at, _)| versioned(&text[at + 1..]));
    let own = LINK_VERSION.to_string();
    found().find(|(version, _)| *version == own).or_else(|| found().next()).or_else(|| versioned(text.trim_start()))
}

impl Link {
    fn from_base64(payload: &str) -> Result<Self, LinkError> {
        // One character over holds no byte.
        let even = if payload.len() % 4 == 1 { &payload[..payload.len() - 1] } else { payload };
        let packed = FORGIVING.decode(even).map_err(|error| LinkError::Damaged(error.to_string()))?;
        let json = miniz_oxide::inflate::decompress_to_vec_with_limit(&packed, MAX_JSON_BYTES).map_err(|error| {
            if error.status == miniz_oxide::inflate::TINFLStatus::HasMoreOutput {
                LinkError::TooLarge
            } else {
                LinkError::Damaged(error.to_string())
            }
        })?;
        Self::from_payload(&json)
    }
}

impl Link {
    fn from_payload(json: &[u8]) -> Result<Self, LinkError> {
        let payload: Payload =
            json::parse_strict(json).map_err(|Fault { path, message, .. }| LinkError::Field { path, message })?;
        let field = |path: &str, message: &str| LinkError::Field { path: path.to_owned(), message: message.to_owned() };
        let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if payload.digest.as_deref().is_some_and(|digest| !is_hash(digest)) {
            return Err(field("digest", "allowed: 64 hexadecimal digits"));
        }
        if payload.dataset.as_ref().is_some_and(|dataset| !is_hash(&dataset.hash)) {
            return Err(field("dataset.hash", "allowed: 64 hexadecimal digits"));
        }
        let mut patch = payload.scenario;
        let Some(fields) = patch.as_object_mut() else {
            return Err(field("scenario", "allowed: a JSON object"));
        };
        for apart in ["preset", "rounds", "seed"] {
            if fields.contains_key(apart) {
                return Err(field(&format!("scenario.{apart}"), "stands beside the scenario, not in it"));
            }
        }
        fields.insert("preset".to_owned(), payload.preset.into());
        fields.insert("rounds".to_owned(), payload.rounds.into());
        fields.insert("seed".to_owned(), payload.seed.into());
        let scenario = Scenario::from_patch(&patch)?;
        if payload.view.round.is_some_and(|round| round >= scenario.rounds) {
            return Err(field("view.round", &format!("allowed: 0 to {}", scenario.rounds - 1)));
        }
        Ok(Self {
            scenario,
            dataset: payload.dataset,
            engine_version: payload.engine,
            digest: payload.digest,
            view: payload.view,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(scenario: Scenario) -> Link {
        Link {
            scenario,
            dataset: Some(DatasetName { id: "shipped".into(), hash: "ab".repeat(32) }),
            engine_version: Some("1".into()),
            digest: Some("cd".repeat(32)),
            view: View { place: Place::Results, round: Some(3) },
        }
    }

    fn packed(json: &str) -> String {
        format!("#1.{}", URL_SAFE_NO_PAD.encode(miniz_oxide::deflate::compress_to_vec(json.as_bytes(), 9)))
    }

    #[test]
    fn a_link_gives_back_what_it_holds_and_is_short() {
        let scenario =
            Scenario::from_json(r#"{"rounds": 123, "seed": 9007199254740991, "reward": {"beta_inference": 0.1}}"#)
                .expect("valid");
        let link = link(scenario);
        let text = link.to_string();
        assert!(text.len() < 500, "{}", text.len());
        assert_eq!(text.parse(), Ok(link.clone()));
        assert_eq!(format!("https://example.org/page{text}").parse(), Ok(link));
    }

    #[test]
    fn every_place_comes_through() {
        for place in [Place::Network, Place::Results, Place::Explore] {
            let view = View { place, round: None };
            let there = Link { view, ..link(Scenario::default()) };
            assert_eq!(there.to_string().parse(), Ok(there));
        }
        assert!(
            packed(r#"{"preset":"default","rounds":5,"scenario":{},"seed":1,"view":{"place":"explore"}}"#)
                .parse::<Link>()
                .is_ok()
        );
    }

    #[test]
    fn links_of_version_1_stay_readable() {
        // Written by the first release: never change these texts.
        const FIRST: &str = include_str!("../../tests/golden/link-v1.txt");
        let scenario =
            Scenario::from_json(r#"{"rounds": 800, "seed": 7, "reward": {"beta_inference": 0.25}}"#).expect("valid");
        assert_eq!(FIRST.parse(), Ok(link(scenario)));
    }

    #[test]
    fn every_prefix_of_a_link_is_refused_without_panic() {
        let text = link(Scenario::default()).to_string();
        for end in 0..text.len() {
            assert!(text[..end].parse::<Link>().is_err(), "{end}");
        }
    }

    #[test]
    fn faults_are_told_apart() {
        let error = |text: &str| text.parse::<Link>().expect_err("must be refused");
        assert_eq!(error("hello"), LinkError::NotALink);
        assert_eq!(error("#2.abc"), LinkError::UnknownVersion(2));
        assert_eq!(error(&format!("#{}.abc", "9".repeat(40))), LinkError::UnknownVersion(u64::MAX));
        assert!(matches!(error("#1.abc$"), LinkError::Damaged(_)));
        assert!(matches!(error("#1.AAAA"), LinkError::Damaged(_)));
        assert_eq!(error(&"x".repeat(MAX_LINK_CHARS + 1)), LinkError::TooLong(MAX_LINK_CHARS + 1));
        let bomb = miniz_oxide::deflate::compress_to_vec(&vec![b' '; 40 << 20], 9);
        assert!(matches!(
            error(&format!("#1.{}", URL_SAFE_NO_PAD.encode(&bomb[..bomb.len().min(40_000)]))),
            LinkError::TooLarge
        ));
        let fine = r#"{"preset":"default","rounds":5,"scenario":{},"seed":1}"#;
        assert!(packed(fine).parse::<Link>().is_ok());
        assert!(error(&packed(&fine.replace("\"rounds\":5", "\"rounds\":0"))).to_string().contains("`rounds`"));
        assert!(error(&packed(&fine.replace("default", "other"))).to_string().contains("`preset`"));
        assert!(
            error(&packed(&fine.replace("{}", r#"{"reward":{"alpha_inference":-1}}"#)))
                .to_string()
                .contains("alpha_inference")
        );
        assert!(error(&packed(&fine.replace("{}", r#"{"seed":2}"#))).to_string().contains("scenario.seed"));
        assert!(
            error(&packed(&fine.replace("\"seed\":1", "\"seed\":1,\"digest\":\"x\""))).to_string().contains("digest")
        );
        assert!(
            error(&packed(&fine.replace("\"seed\":1", "\"seed\":1,\"view\":{\"round\":5}")))
                .to_string()
                .contains("view.round")
        );
    }

    /// What chats, mails and trackers do to a link.
    #[test]
    fn a_link_is_found_in_what_others_make_of_it() {
        let there = link(Scenario::from_json(r#"{"rounds": 123, "reward": {"beta_inference": 0.1}}"#).expect("valid"));
        let text = there.to_string();
        let page = format!("http://h/p/{text}");
        let (head, tail) = page.split_at(60);
        let (middle, tail) = tail.split_at(60);
        let escaped = page.replace('#', "%23");
        let wrapped_twice = escaped.replace('%', "%25").replace(':', "%253A");
        for seen in [
            format!("{page}."),
            format!("({page})"),
            format!("<{page}>"),
            format!("\"{page}\","),
            format!("[see]({page})"),
            format!("{page}&utm_source=x"),
            format!("{page}?utm=1&y=2"),
            format!("{page}#top"),
            format!("http://h/p/?x=y{text}"),
            format!("http://h/p/#old{text}"),
            format!("look: {page} and say what you think"),
            escaped.clone(),
            format!("https://l.example/?u={wrapped_twice}&h=AT0"),
            format!("{head}\n{middle}\r\n  {tail}"),
            format!("> {head}\n> {middle}\n> {tail}"),
            format!("{head}=\n{middle}=\n{tail}"),
            format!("{head}%20{middle}%0A{tail}"),
            format!("{head}\u{200b}{middle}\u{feff}{tail}\u{2060}"),
            format!("\u{feff}{page}…"),
            format!("{page}_"),
            format!("{page}__x"),
            text[1..].to_owned(),
            format!("  {}  ", &text[1..]),
        ] {
            assert_eq!(seen.parse(), Ok(there.clone()), "{seen}");
        }
        assert_eq!(format!("as in #12. above: {page}").parse(), Ok(there.clone()));
        assert_eq!("see issue #12. It is there".parse::<Link>(), Err(LinkError::UnknownVersion(12)));
        assert!(matches!(format!("{head}\n{middle}").parse::<Link>(), Err(LinkError::Damaged(_))));
    }

    #[test]
    fn what_is_written_can_be_read_or_is_refused() {
        let plain = link(Scenario::default());
        for page in ["", "http://h/p/", "http://h/p/#old", "http://h/p/?x=1#1.abc", " http://h/p/\n"] {
            let text = plain.at(page).expect(page);
            assert_eq!(text.matches('#').count(), 1, "{text}");
            assert_eq!(text.parse(), Ok(plain.clone()), "{text}");
        }
        let mut stream = crate::rng::Stream::new(1, crate::rng::Purpose::Draws);
        let mut noise =
            |length: usize| (0..length).map(|_| char::from(b'!' + stream.below(90) as u8)).collect::<String>();
        let large = Scenario { assertions: (0..60).map(|_| noise(1900)).collect(), ..Scenario::default() };
        assert!(matches!(link(large).at(""), Err(LinkError::TooLong(_))));
        let packs_well = Scenario { assertions: vec!["x".repeat(2000); 200], ..Scenario::default() };
        assert_eq!(link(packs_well).at(""), Err(LinkError::TooLarge));
        assert!(matches!(plain.at(&"x".repeat(MAX_LINK_CHARS)), Err(LinkError::TooLong(_))));
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut stream = crate::rng::Stream::new(1, crate::rng::Purpose::Draws);
        for length in 0..2000 {
            let bytes: Vec<u8> = (0..length % 97).map(|_| stream.below(256) as u8).collect();
            assert!(format!("#1.{}", URL_SAFE_NO_PAD.encode(bytes)).parse::<Link>().is_err());
        }
    }
}
