//! What makes one vector of a text, as the folder of a sentence encoder says: `modules.json` and the files that it
//! names, in the layout of the Python library sentence-transformers.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{ModelError, Part, read_json};

/// How the states of a text's tokens become one vector.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    #[default]
    Mean,
    /// The first token's, `[CLS]`.
    Cls,
    /// The largest of each number.
    Max,
    /// Their sum over the square root of their count.
    MeanSqrtLen,
}

impl Pooling {
    /// By the name that a pooling file has for it.
    const NAMES: [(&'static str, Self); 4] = [
        ("mean_tokens", Self::Mean),
        ("cls_token", Self::Cls),
        ("max_tokens", Self::Max),
        ("mean_sqrt_len_tokens", Self::MeanSqrtLen),
    ];
    const ALLOWED: &'static str = "one of mean, cls, max or mean_sqrt_len";

    fn named(name: &str) -> Option<Self> {
        let same = |known: &str| {
            let short = known.strip_suffix("_tokens").or_else(|| known.strip_suffix("_token"));
            known == name || short == Some(name)
        };
        Self::NAMES.iter().find(|(known, _)| same(known)).map(|(_, pooling)| *pooling)
    }
}

/// What is done to a text before the network and to its states after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentenceSettings {
    /// Where the network's own files are within the folder: empty, or a path that ends in `/`.
    pub path: String,
    /// Tokens that are read of a text at most; none takes all positions.
    pub max_tokens: Option<usize>,
    /// How states become a vector.
    pub pooling: Pooling,
    /// Whether vectors are brought to unit length.
    pub is_normalized: bool,
    /// Whether a text is put in lower case before the tokenizer reads it.
    pub is_lower_cased: bool,
    /// What is put before each text.
    pub prefix: String,
    /// Whether the folder itself says that it holds a sentence encoder, whatever else its weights have been trained
    /// for.
    pub is_declared: bool,
}

impl Default for SentenceSettings {
    /// Of a folder that says nothing: the mean of the states, in unit length.
    fn default() -> Self {
        Self {
            path: String::new(),
            max_tokens: None,
            pooling: Pooling::Mean,
            is_normalized: true,
            is_lower_cased: false,
            prefix: String::new(),
            is_declared: false,
        }
    }
}

/// What differs from a folder that says nothing and changes vectors; empty where nothing does.
impl fmt::Display for SentenceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pooling = match self.pooling {
            Pooling::Mean => None,
            Pooling::Cls => Some("pooled by the first token".to_owned()),
            Pooling::Max => Some("pooled by the largest".to_owned()),
            Pooling::MeanSqrtLen => Some("pooled by the sum over the root of the count".to_owned()),
        };
        let unit = (!self.is_normalized).then(|| "not in unit length".to_owned());
        let case = self.is_lower_cased.then(|| "in lower case".to_owned());
        let prefix = (!self.prefix.is_empty()).then(|| format!("each text after {:?}", self.prefix));
        let parts: Vec<String> = [pooling, unit, case, prefix].into_iter().flatten().collect();
        f.write_str(&parts.join(", "))
    }
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

#[derive(Deserialize)]
struct Prompts {
    #[serde(default)]
    prompts: BTreeMap<String, String>,
    default_prompt_name: Option<String>,
    similarity_fn_name: Option<String>,
}

const MODULES: &str = "modules.json";

/// Gives the bytes of a file by its path within a folder, or none where there is none.
pub type ReadFile<'a, E> = dyn FnMut(&str) -> Result<Option<Vec<u8>>, E> + 'a;

impl SentenceSettings {
    /// Reads what a folder says. `read` gives the bytes of a file by its path within the folder, or none where there is
    /// none.
    ///
    /// # Errors
    /// What `read` fails with; a file that is damaged; a step that is not known here, each by its name: steps other
    /// than `Transformer`, `Pooling` and `Normalize` in this order, other poolings than [`Pooling`] has, several at
    /// once, and vectors that are to be compared by another measure than the cosine.
    pub fn read<E: From<ModelError>>(read: &mut ReadFile<'_, E>) -> Result<Self, E> {
        let mut settings = Self::default();
        if let Some(file) = read(MODULES)? {
            let (path, pooling, is_normalized) = steps(&file)?;
            let config = format!("{pooling}config.json");
            let file = read(&config)?.ok_or(ModelError::MissingFile { file: config })?;
            let pooling = pooling_of(&file)?;
            settings = Self { path, pooling, is_normalized, is_declared: true, ..settings };
        }
        if let Some(file) = read(&format!("{}sentence_bert_config.json", settings.path))? {
            let config: SentenceConfig = read_json(Part::SentenceJson, &file)?;
            settings.max_tokens = config.max_seq_length;
            settings.is_lower_cased = config.do_lower_case;
        }
        if let Some(file) = read("config_sentence_transformers.json")? {
            settings.read_prompts(&file)?;
        }
        Ok(settings)
    }

    fn read_prompts(&mut self, file: &[u8]) -> Result<(), ModelError> {
        let Prompts { mut prompts, default_prompt_name, similarity_fn_name } = read_json(Part::PromptsJson, file)?;
        let field =
            |field: &str, seen: &str, allowed: &str| Err(ModelError::field(Part::PromptsJson, field, seen, allowed));
        if let Some(name) = default_prompt_name {
            match prompts.remove(&name) {
                Some(prompt) => self.prefix = prompt,
                None => return field("default_prompt_name", &name, "the name of one of `prompts`, or null"),
            }
        }
        // In unit length the product is the cosine, and the nearest are the likest.
        match similarity_fn_name.as_deref() {
            None | Some("cosine" | "cos_sim") => Ok(()),
            Some("dot" | "dot_score") if self.is_normalized => Ok(()),
            Some(other) => field("similarity_fn_name", other, "\"cosine\", or \"dot\" of vectors in unit length"),
        }
    }
}

/// Where the network and its pooling are, and whether vectors are brought to unit length.
fn steps(file: &[u8]) -> Result<(String, String, bool), ModelError> {
    let modules: Vec<Module> = read_json(Part::ModulesJson, file)?;
    let known = "Transformer, then Pooling, then Normalize or nothing, all of sentence_transformers";
    let mut paths = [const { String::new() }; 3];
    for (index, Module { path, kind }) in modules.iter().enumerate() {
        let fault = |name: &str, seen: &str, allowed: &str| {
            Err(ModelError::field(Part::ModulesJson, format!("[{index}].{name}"), seen, allowed))
        };
        let of_library = kind.strip_prefix("sentence_transformers.").and_then(|kind| kind.rsplit('.').next());
        let expected = ["Transformer", "Pooling", "Normalize"].get(index);
        if of_library.is_none() || of_library != expected.copied() {
            return fault("type", kind, known);
        }
        let is_inside = path.split('/').all(|part| part != ".." && part != ".") && !path.contains(['\\', ':', '\0']);
        if !is_inside || path.starts_with('/') || (index == 1 && path.is_empty()) {
            return fault("path", path, "a path within the folder");
        }
        paths[index] = if path.is_empty() { String::new() } else { format!("{}/", path.trim_end_matches('/')) };
    }
    if modules.len() < 2 {
        let seen = format!("{} steps", modules.len());
        return Err(ModelError::field(Part::ModulesJson, ".", seen, known));
    }
    let [transformer, pooling, _] = paths;
    Ok((transformer, pooling, modules.len() == 3))
}

/// The one pooling that is asked for.
fn pooling_of(file: &[u8]) -> Result<Pooling, ModelError> {
    const MODE: &str = "pooling_mode";
    let config: BTreeMap<String, Value> = read_json(Part::PoolingJson, file)?;
    let refused = |field: &str, seen: &dyn fmt::Debug| {
        Err(ModelError::field(Part::PoolingJson, field, format_args!("{seen:?}"), Pooling::ALLOWED))
    };
    if config.get("include_prompt") == Some(&Value::Bool(false)) {
        return Err(ModelError::field(Part::PoolingJson, "include_prompt", false, "true, or absent"));
    }
    // Newer files name the mode.
    let mut modes: Vec<&str> = match config.get(MODE) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(other) => return refused(MODE, &other.to_string()),
    };
    if modes.is_empty() {
        let of_mode = |(field, value): (&'_ String, &Value)| value.as_bool().filter(|_| field.starts_with(MODE));
        let flags = config.iter().filter(|entry| of_mode(*entry) == Some(true));
        modes = flags.filter_map(|(field, _)| field.strip_prefix("pooling_mode_")).collect();
        // The library takes the mean where a file does not say that it does not.
        if !config.contains_key("pooling_mode_mean_tokens") {
            modes.push("mean_tokens");
        }
    }
    match modes.as_slice() {
        [name] => Pooling::named(name).map_or_else(|| refused(MODE, name), Ok),
        _ => refused(MODE, &modes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Files<'a> = &'a [(&'a str, &'a str)];

    fn settings(files: Files<'_>) -> Result<SentenceSettings, ModelError> {
        SentenceSettings::read(&mut |name| {
            Ok(files.iter().find(|(path, _)| *path == name).map(|(_, text)| text.as_bytes().to_vec()))
        })
    }

    fn refusal(files: Files<'_>) -> String {
        settings(files).map_or_else(|error| error.to_string(), |seen| format!("accepted: {seen:?}"))
    }

    /// With the given types as the steps.
    fn modules(types: &[&str]) -> String {
        let step = |(index, kind): (usize, &&str)| {
            let path = if index == 0 { String::new() } else { format!("{index}_Step") };
            format!(
                r#"{{"idx": {index}, "name": "{index}", "path": "{path}", "type": "sentence_transformers.models.{kind}"}}"#
            )
        };
        format!("[{}]", types.iter().enumerate().map(step).collect::<Vec<_>>().join(", "))
    }

    fn pooled(config: &str) -> String {
        let modules = modules(&["Transformer", "Pooling", "Normalize"]);
        match settings(&[("modules.json", &modules), ("1_Step/config.json", config)]) {
            Ok(seen) => format!("{:?}", seen.pooling),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_folder_that_says_nothing_is_pooled_by_the_mean_in_unit_length() -> Result<(), ModelError> {
        assert_eq!(settings(&[])?, SentenceSettings::default());
        assert_eq!(SentenceSettings::default().to_string(), "");
        Ok(())
    }

    #[test]
    fn the_pooling_is_the_one_that_the_folder_names() {
        assert_eq!(pooled(r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#), "Cls");
        assert_eq!(pooled(r#"{"pooling_mode_max_tokens": true, "pooling_mode_mean_tokens": false}"#), "Max");
        assert_eq!(pooled(r#"{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false}"#), "Mean");
        assert_eq!(
            pooled(r#"{"pooling_mode_mean_sqrt_len_tokens": true, "pooling_mode_mean_tokens": false}"#),
            "MeanSqrtLen"
        );
        assert_eq!(pooled(r#"{"pooling_mode": "cls"}"#), "Cls");
        assert_eq!(pooled(r#"{"pooling_mode": ["max"], "include_prompt": true}"#), "Max");
        assert_eq!(pooled(r#"{"word_embedding_dimension": 8}"#), "Mean");
        for (config, named) in [
            (r#"{"pooling_mode_lasttoken": true, "pooling_mode_mean_tokens": false}"#, "lasttoken"),
            (r#"{"pooling_mode_weightedmean_tokens": true, "pooling_mode_mean_tokens": false}"#, "weightedmean_tokens"),
            (r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}"#, "cls_token\", \"mean_tokens"),
            (r#"{"pooling_mode_mean_tokens": false}"#, "[]"),
            (r#"{"pooling_mode": "attention"}"#, "attention"),
            (r#"{"pooling_mode": 3}"#, "3"),
            (r#"{"include_prompt": false}"#, "include_prompt"),
            ("<html>Sign in</html>", "a web page"),
        ] {
            let seen = pooled(config);
            assert!(seen.contains(named) && seen.contains("the pooling step's config.json"), "{config}: {seen}");
        }
    }

    #[test]
    fn steps_that_are_not_known_are_refused_by_their_names() -> Result<(), ModelError> {
        let mean = ("1_Step/config.json", r#"{"pooling_mode": "mean"}"#);
        let seen = settings(&[("modules.json", &modules(&["Transformer", "Pooling"])), mean])?;
        assert!(!seen.is_normalized && seen.is_declared && seen.to_string().contains("not in unit length"));
        for (types, named) in [
            (&["Transformer", "Pooling", "Dense"][..], "[2].type` is \"sentence_transformers.models.Dense\""),
            (&["Transformer", "Pooling", "Normalize", "Dense"], "[3].type"),
            (&["Transformer", "Pooling", "LayerNorm"], "LayerNorm"),
            (&["CNN", "Pooling"], "[0].type` is \"sentence_transformers.models.CNN\""),
            (&["MLMTransformer", "SpladePooling"], "MLMTransformer"),
            (&["Pooling", "Transformer"], "[0].type"),
            (&["Transformer"], "1 steps"),
            (&[], "0 steps"),
        ] {
            let seen = refusal(&[("modules.json", &modules(types)), mean]);
            assert!(seen.contains(named) && seen.contains("modules.json"), "{types:?}: {seen}");
        }
        let own =
            modules(&["Transformer", "Pooling"]).replace("sentence_transformers.models.Pooling", "my_code.Pooling");
        assert!(refusal(&[("modules.json", &own), mean]).contains("\"my_code.Pooling\""));
        let newer = modules(&["Transformer", "Pooling"]).replace(".models.Pooling", ".base.modules.pooling.Pooling");
        settings(&[("modules.json", &newer), mean])?;
        let outside = modules(&["Transformer", "Pooling"]).replace("1_Step", "../1_Step");
        assert!(refusal(&[("modules.json", &outside), mean]).contains("a path within the folder"));
        let seen = refusal(&[("modules.json", &modules(&["Transformer", "Pooling"]))]);
        assert_eq!(seen, "there is no 1_Step/config.json");
        Ok(())
    }

    #[test]
    fn texts_are_spelt_and_begun_as_the_folder_says() -> Result<(), ModelError> {
        let seen = settings(&[
            ("sentence_bert_config.json", r#"{"max_seq_length": 12, "do_lower_case": true}"#),
            ("config_sentence_transformers.json", r#"{"prompts": {"q": "query: "}, "default_prompt_name": "q"}"#),
        ])?;
        assert_eq!((seen.max_tokens, seen.is_lower_cased, seen.prefix.as_str()), (Some(12), true, "query: "));
        assert_eq!(seen.to_string(), "in lower case, each text after \"query: \"");
        let prompts = |text: &'static str| refusal(&[("config_sentence_transformers.json", text)]);
        assert!(prompts(r#"{"prompts": {"q": "query: "}, "default_prompt_name": null}"#).contains("prefix: \"\""));
        assert!(prompts(r#"{"similarity_fn_name": "dot"}"#).contains("accepted"));
        assert!(prompts(r#"{"default_prompt_name": "s"}"#).contains("`default_prompt_name` is \"s\""));
        assert!(prompts(r#"{"similarity_fn_name": "euclidean"}"#).contains("\"euclidean\"; allowed: \"cosine\""));
        let of_length = [("modules.json", modules(&["Transformer", "Pooling"]))];
        let seen = refusal(&[
            (of_length[0].0, &of_length[0].1),
            ("1_Step/config.json", "{}"),
            ("config_sentence_transformers.json", r#"{"similarity_fn_name": "dot"}"#),
        ]);
        assert!(seen.contains("`similarity_fn_name` is \"dot\""), "{seen}");
        Ok(())
    }
}
