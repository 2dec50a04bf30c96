//! What a GGUF file says about its decoder, checked.

use super::DecoderOptions;
use super::families::{Spec, Windows};
use crate::error::{ModelError, Part, shorten};
use crate::format::gguf::Gguf;
use crate::layers::rotary::Rotary;

/// Far above any model that fits into memory; keeps sums of sizes far from overflow.
const MAX_SIZE: u32 = 1 << 24;

/// Factors of the turns of pairs, a tensor of a file: for all texts, or for those that are no longer than what the
/// model was first trained on and for those that are.
pub(super) const FACTORS: &str = "rope_freqs.weight";
pub(super) const FACTORS_SHORT: &str = "rope_factors_short.weight";
pub(super) const FACTORS_LONG: &str = "rope_factors_long.weight";

/// Sizes and constants of a decoder.
#[derive(Debug, Clone)]
pub(super) struct DecoderConfig {
    pub spec: &'static Spec,
    pub name: String,
    /// Blocks that run; at most those in the file.
    pub layers: usize,
    pub context_length: usize,
    pub hidden: usize,
    pub feed_forward: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub rms_epsilon: f64,
    /// Tokens that a block with a window looks back at, its own among them.
    pub window: Option<usize>,
    /// Most that a score of attention is.
    pub attention_cap: Option<f64>,
    /// Most that a score of a token is.
    pub score_cap: Option<f64>,
    pub turns: Turns,
}

/// How the heads of the blocks turn.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    /// Of blocks that see the whole text.
    pub whole: Rotary,
    /// The same in texts longer than so many tokens, where they are others.
    pub long: Option<(usize, Rotary)>,
    /// Of blocks that see a window.
    pub window: Rotary,
}

/// The fields of one architecture.
struct Fields<'a> {
    gguf: &'a Gguf<'a>,
    architecture: &'a str,
}

impl Fields<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    fn count(&self, name: &str) -> Result<usize, ModelError> {
        self.gguf.count(&self.key(name), 1..=MAX_SIZE)
    }

    fn optional_count(&self, name: &str) -> Result<Option<usize>, ModelError> {
        self.gguf.optional_count(&self.key(name), 1..=MAX_SIZE)
    }

    fn positive(&self, name: &str) -> Result<Option<f64>, ModelError> {
        self.gguf.optional_positive(&self.key(name))
    }

    fn fault(&self, name: &str, seen: impl std::fmt::Debug, allowed: impl Into<String>) -> ModelError {
        ModelError::field(Part::Gguf, self.key(name), seen, allowed.into())
    }
}

impl DecoderConfig {
    pub(super) fn read(gguf: &Gguf<'_>, options: &DecoderOptions) -> Result<Self, ModelError> {
        let spec = family(gguf.text("general.architecture")?)?;
        let fields = Fields { gguf, architecture: spec.architecture };
        let hidden = fields.count("embedding_length")?;
        let heads = fields.count("attention.head_count")?;
        let kv_heads = fields.optional_count("attention.head_count_kv")?.unwrap_or(heads);
        if !heads.is_multiple_of(kv_heads) {
            let allowed = format!("a divisor of the {heads} attention heads");
            return Err(fields.fault("attention.head_count_kv", kv_heads, allowed));
        }
        let head_dim = match fields.optional_count("attention.key_length")? {
            Some(length) => length,
            None if hidden.is_multiple_of(heads) => hidden / heads,
            None => {
                let allowed = format!("a divisor of the embedding length {hidden}");
                return Err(fields.fault("attention.head_count", heads, allowed));
            }
        };
        if !head_dim.is_multiple_of(2) {
            let allowed = "heads of an even width, as rotary positions turn pairs";
            return Err(fields.fault("attention.head_count", heads, allowed));
        }
        for name in ["attention.value_length", "rope.dimension_count"] {
            if let Some(seen) = fields.optional_count(name)?.filter(|seen| *seen != head_dim) {
                return Err(fields.fault(name, seen, format!("the head width {head_dim}")));
            }
        }
        if let Some(experts) =
            gguf.optional_count(&fields.key("expert_count"), 0..=MAX_SIZE)?.filter(|count| *count > 0)
        {
            return Err(fields.fault("expert_count", experts, "0, or absent"));
        }
        let blocks = fields.count("block_count")?;
        if spec.other_scale == Some(blocks) {
            let allowed = "another size of this family, as this one scales attention in its own way";
            return Err(fields.fault("block_count", blocks, allowed));
        }
        let layers = match options.layers {
            None => blocks,
            Some(layers) if (1..=blocks).contains(&layers) => layers,
            Some(layers) => {
                let allowed = format!("1 to {blocks} (the model's block_count), or none for all");
                return Err(ModelError::argument("layers", layers, allowed));
            }
        };
        let context_length = gguf.count(&fields.key("context_length"), 2..=MAX_SIZE)?;
        let cap = |name| if spec.has_soft_caps { fields.positive(name) } else { Ok(None) };
        let window = match spec.windows {
            Windows::None => None,
            // A window as wide as the context is none.
            _ => fields.optional_count("attention.sliding_window")?.filter(|window| *window < context_length),
        };
        let epsilon = "attention.layer_norm_rms_epsilon";
        let missing = || ModelError::missing(Part::Gguf, fields.key(epsilon));
        Ok(Self {
            spec,
            name: gguf.optional_text("general.name")?.unwrap_or("unnamed").to_owned(),
            layers,
            context_length,
            hidden,
            feed_forward: fields.count("feed_forward_length")?,
            heads,
            kv_heads,
            head_dim,
            rms_epsilon: fields.positive(epsilon)?.ok_or_else(missing)?,
            window,
            attention_cap: cap("attn_logit_softcapping")?,
            score_cap: cap("final_logit_softcapping")?,
            turns: Turns::read(&fields, spec, head_dim / 2)?,
        })
    }
}

fn family(architecture: &str) -> Result<&'static Spec, ModelError> {
    // Such as `bert`, `nomic-bert` and `jina-bert-v2`.
    if architecture.contains("bert") {
        let seen = format!("an encoder (`general.architecture`: {})", shorten(architecture));
        let asked = "a decoder, which continues texts, such as one of the architecture `llama`";
        return Err(ModelError::OtherModel { part: Part::Gguf, seen, asked });
    }
    Spec::of(architecture).ok_or_else(|| {
        ModelError::field(Part::Gguf, "general.architecture", architecture, format!("one of {}", Spec::names()))
    })
}

impl Turns {
    fn read(fields: &Fields<'_>, spec: &Spec, pairs: usize) -> Result<Self, ModelError> {
        let gguf = fields.gguf;
        let base = fields.positive("rope.freq_base")?.unwrap_or(10_000.0);
        let scaling = gguf.optional_text(&fields.key("rope.scaling.type"))?.unwrap_or("none");
        let factor = match scaling {
            "none" | "longrope" => 1.0,
            "linear" => fields
                .positive("rope.scaling.factor")?
                .ok_or_else(|| ModelError::missing(Part::Gguf, fields.key("rope.scaling.factor")))?,
            other => {
                return Err(fields.fault("rope.scaling.type", other, "\"none\", \"linear\", \"longrope\", or absent"));
            }
        };
        let scale = fields.positive("rope.scaling.attn_factor")?.unwrap_or(1.0);
        let factors = |name: &str| -> Result<Option<Rotary>, ModelError> {
            if !gguf.has_tensor(name) {
                return Ok(None);
            }
            let factors = gguf.tensor(name, &[pairs])?;
            if let Some(seen) = factors.iter().find(|factor| !(factor.is_finite() && **factor > 0.0)) {
                return Err(ModelError::tensor(Part::Gguf, name, format!("has the factor {seen}; allowed: above 0")));
            }
            let factors: Vec<f64> = factors.into_iter().map(|own| f64::from(own) * factor).collect();
            Ok(Some(Rotary::new(base, &factors, scale)))
        };
        let plain = |base, factor| Rotary::new(base, &vec![factor; pairs], scale);
        let whole = match factors(FACTORS)? {
            Some(rotary) => Some(rotary),
            None => factors(FACTORS_SHORT)?,
        };
        let long = match factors(FACTORS_LONG)? {
            None => None,
            Some(rotary) => Some((fields.count("rope.scaling.original_context_length")?, rotary)),
        };
        let whole = whole.unwrap_or_else(|| plain(base, factor));
        let window = match spec.windows {
            Windows::AllBut { base: Some(base), .. } => plain(base, 1.0),
            _ => whole.clone(),
        };
        Ok(Self { whole, long, window })
    }
}
