//! DeBERTa in its versions 2 and 3: attention between tokens and between tokens and their distances (arXiv 2006.03654).

use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::Deserialize;

use super::{BERT_LAYER, FirstPosition, LayerNames, Own, Spec, Types};
use crate::encoder::body;
use crate::encoder::config::EncoderConfig;
use crate::encoder::head::{Activation, HeadSpec, Place};
use crate::encoder::relative::{Distances, Pass, Relative};
use crate::encoder::weights::Weights;
use crate::error::{ModelError, Part, read_json, shorten};
use crate::host::Kernels;
use crate::layers::linear::Linear;

pub(super) const SPEC: Spec = Spec {
    model_type: "deberta-v2",
    class: "DebertaV2",
    layer: LayerNames {
        query: "attention.self.query_proj",
        key: "attention.self.key_proj",
        value: "attention.self.value_proj",
        ..BERT_LAYER
    },
    first_position: FirstPosition::Zero,
    types: Types::WhereAny,
    epsilon: 1e-7,
    own,
    head: HeadSpec { dense: Place::File("pooler.dense"), activation: Activation::Gelu, out: "classifier" },
};

#[derive(Deserialize)]
struct Fields {
    hidden_size: usize,
    max_position_embeddings: usize,
    #[serde(default)]
    relative_attention: bool,
    max_relative_positions: Option<i64>,
    position_buckets: Option<i64>,
    position_biased_input: Option<bool>,
    pos_att_type: Option<Kinds>,
    #[serde(default)]
    share_att_key: bool,
    norm_rel_ebd: Option<String>,
    conv_kernel_size: Option<usize>,
    embedding_size: Option<usize>,
    pooler_hidden_act: Option<String>,
}

/// Kinds of attention to distances.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kinds {
    List(Vec<String>),
    Line(String),
}

/// Far above any encoder.
const MAX_DISTANCE: usize = 1 << 20;

fn own(config: &[u8]) -> Result<Own, ModelError> {
    let fields: Fields = read_json(Part::ConfigJson, config)?;
    let refused = |field: &str, seen: &str, allowed: &str| {
        Err(ModelError::field(Part::ConfigJson, field, shorten(seen), allowed))
    };
    if let Some(size) = fields.conv_kernel_size.filter(|size| *size > 0) {
        return refused("conv_kernel_size", &size.to_string(), "0, or absent");
    }
    if let Some(size) = fields.embedding_size.filter(|size| *size != fields.hidden_size) {
        return refused("embedding_size", &size.to_string(), "hidden_size, or absent");
    }
    if let Some(name) = fields.pooler_hidden_act.filter(|name| name != "gelu") {
        return refused("pooler_hidden_act", &name, "\"gelu\"");
    }
    let has_positions = fields.position_biased_input.unwrap_or(true);
    if !fields.relative_attention {
        return Ok(Own { relative: None, has_positions });
    }
    let kinds = match fields.pos_att_type {
        None => Vec::new(),
        Some(Kinds::List(kinds)) => kinds,
        Some(Kinds::Line(kinds)) => kinds.split('|').map(|kind| kind.trim().to_lowercase()).collect(),
    };
    if let Some(kind) = kinds.iter().find(|kind| !["c2p", "p2c", ""].contains(&kind.as_str())) {
        return refused("pos_att_type", kind, "\"c2p\" and \"p2c\"");
    }
    let is_normalized = match fields.norm_rel_ebd.as_deref() {
        None | Some("none") => false,
        Some("layer_norm") => true,
        Some(other) => return refused("norm_rel_ebd", other, "\"none\" or \"layer_norm\""),
    };
    let distance = match fields.max_relative_positions {
        Some(distance @ 1..) => distance as usize,
        _ => fields.max_position_embeddings,
    };
    if !(2..=MAX_DISTANCE).contains(&distance) {
        return refused("max_relative_positions", &distance.to_string(), &format!("2 to {MAX_DISTANCE}"));
    }
    let buckets = match fields.position_buckets {
        Some(count @ 1..) => Some(count as usize),
        _ => None,
    };
    if let Some(count) = buckets.filter(|count| !(4..distance).contains(count)) {
        return refused(
            "position_buckets",
            &count.to_string(),
            &format!("4 to below the greatest distance {distance}"),
        );
    }
    let has = |kind: &str| kinds.iter().any(|seen| seen == kind);
    Ok(Own {
        relative: Some(Box::new(Disentangled {
            distance,
            buckets,
            is_normalized,
            is_shared: fields.share_att_key,
            to_positions: has("c2p"),
            from_positions: has("p2c"),
        })),
        has_positions,
    })
}

/// Tokens see distances, which have states of their own (equation 4; the buckets are of version 2).
#[derive(Debug, Clone)]
struct Disentangled {
    /// The greatest distance that is told apart from others.
    distance: usize,
    /// For each direction: the nearer half of them are distances of their own, the others grow; none is one for each.
    buckets: Option<usize>,
    /// Whether the states of distances are normalised.
    is_normalized: bool,
    /// Whether distances are queries and keys by the matrices of tokens.
    is_shared: bool,
    /// Tokens see distances, "c2p".
    to_positions: bool,
    /// Distances see tokens, "p2c".
    from_positions: bool,
}

impl Disentangled {
    /// States of distances in each direction.
    fn span(&self) -> usize {
        self.buckets.unwrap_or(self.distance)
    }

    /// The state of a query `distance` tokens after its key, from 0 to below two spans.
    fn state(&self, distance: i64) -> i64 {
        let span = self.span() as i64;
        let bucket = match self.buckets {
            Some(buckets) if distance.unsigned_abs() as usize > buckets / 2 => {
                let nearest = (buckets / 2) as f32;
                let share =
                    (distance.unsigned_abs() as f32 / nearest).ln() / ((self.distance as f32 - 1.0) / nearest).ln();
                distance.signum() * ((share * (nearest - 1.0)).ceil() + nearest) as i64
            }
            _ => distance,
        };
        (bucket + span).clamp(0, 2 * span - 1)
    }
}

impl Relative for Disentangled {
    fn parts(&self) -> usize {
        1 + usize::from(self.to_positions) + usize::from(self.from_positions)
    }

    fn read(
        &self,
        weights: &Weights<'_>,
        config: &EncoderConfig,
        device: &Device,
    ) -> Result<Box<dyn Distances>, ModelError> {
        let shape = [2 * self.span(), config.hidden];
        let values = weights.tensor("encoder.rel_embeddings.weight", &shape)?;
        let mut states = Tensor::from_data(TensorData::new(values, shape), device);
        if self.is_normalized {
            states = body::norm(weights, "encoder.LayerNorm", config, Kernels::Burn, device)?.forward(states);
        }
        let names = &config.spec.layer;
        let [query, key] = match self.is_shared {
            true => [names.query, names.key],
            false => ["attention.self.pos_query_proj", "attention.self.pos_key_proj"],
        };
        let mut layers = Vec::new();
        for index in 0..config.layers {
            let linear = |part: &str, rows: body::Rows| {
                let (weight, bias) = body::rows(weights, config, index, part, rows)?;
                Ok::<_, ModelError>(Linear::new(weight, config.hidden, config.hidden, device).with_bias(bias, device))
            };
            let query = self.from_positions.then(|| linear(query, body::Rows::OfQueries)).transpose()?;
            let key = self.to_positions.then(|| linear(key, body::Rows::AsTheyAre)).transpose()?;
            layers.push(LayerDistances::new(&states, query.as_ref(), key.as_ref(), config.heads));
        }
        Ok(Box::new(States { own: self.clone(), layers, device: device.clone() }))
    }
}

/// States of distances, layer by layer.
struct States {
    own: Disentangled,
    layers: Vec<LayerDistances>,
    device: Device,
}

impl Distances for States {
    fn pass(&self, seq: usize) -> Pass {
        let farthest = seq as i64 - 1;
        let (first, last) = (self.own.state(-farthest), self.own.state(farthest));
        let pairs = (0..seq as i64).flat_map(|query| (0..seq as i64).map(move |key| (query, key)));
        let states: Vec<i32> = pairs.map(|(query, key)| (self.own.state(query - key) - first) as i32).collect();
        let states = Tensor::<1, Int>::from_data(TensorData::new(states, [seq * seq]), &self.device);
        let range = (first as usize, (last - first + 1) as usize);
        Pass::States { range, states: states.reshape([1, 1, seq, seq]) }
    }

    fn added(&self, pass: &Pass, layer: usize, all: &Tensor<2>) -> Option<Tensor<4>> {
        match pass {
            Pass::States { range, states } => self.layers.get(layer)?.added(all, *range, states),
            Pass::Added(_) => None,
        }
    }
}

/// A layer's states of distances.
struct LayerDistances {
    /// What tokens see of them, `[1, heads, head_dim, 2 * span]`; none where they see nothing.
    keys: Option<Tensor<4>>,
    /// What they ask tokens, in the same shape.
    queries: Option<Tensor<4>>,
    heads: usize,
}

impl LayerDistances {
    /// `states` are `[2 * span, hidden]`; `query` and `key` make of them what is asked and what is seen, in the same
    /// shape.
    fn new(states: &Tensor<2>, query: Option<&Linear>, key: Option<&Linear>, heads: usize) -> Self {
        let of_heads = |linear: &Linear| {
            let [rows, hidden] = states.dims();
            let all = linear.forward(states.clone()).reshape([rows, heads, hidden / heads]);
            all.permute([1, 2, 0]).unsqueeze_dim::<4>(0)
        };
        Self { keys: key.map(of_heads), queries: query.map(of_heads), heads }
    }

    /// What is added to the scores of tokens: `[batch * seq, 3 * hidden]`, as in attention, to `[batch, heads, seq,
    /// seq]`.
    fn added(&self, all: &Tensor<2>, range: (usize, usize), states: &Tensor<4, Int>) -> Option<Tensor<4>> {
        let [_, _, seq, _] = states.dims();
        let [rows, columns] = all.dims();
        let (batch, hidden) = (rows / seq, columns / 3);
        let head_dim = hidden / self.heads;
        let states = states.clone().expand([batch, self.heads, seq, seq]);
        // Each token's product with each distance, and of these, those of its distances from all tokens.
        let products = |part: usize, distances: &Tensor<4>, states: Tensor<4, Int>| {
            let rows = all.clone().narrow(1, part * hidden, hidden);
            let rows = rows.reshape([batch, seq, self.heads, head_dim]).swap_dims(1, 2);
            rows.matmul(distances.clone().narrow(3, range.0, range.1)).gather(3, states)
        };
        let to = self.keys.as_ref().map(|keys| products(0, keys, states.clone()));
        let from = self.queries.as_ref();
        let from = from.map(|queries| products(1, queries, states.swap_dims(2, 3)).swap_dims(2, 3));
        let sum = match (to, from) {
            (Some(to), Some(from)) => to + from,
            (to, from) => to.or(from)?,
        };
        Some(sum.mul_scalar(1.0 / (head_dim as f64).sqrt()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_distances_are_of_one_token_each_where_they_are_near() {
        let own = Disentangled {
            distance: 512,
            buckets: Some(256),
            is_normalized: true,
            is_shared: true,
            to_positions: true,
            from_positions: true,
        };
        let seen = [0, 1, -1, 128, 129, -129, 511, -511, 100_000, -100_000].map(|far| own.state(far));
        assert_eq!(seen, [256, 257, 255, 384, 385, 127, 511, 1, 511, 0]);
        let each = Disentangled { buckets: None, distance: 8, ..own };
        assert_eq!([0, 3, -8, 8, 100].map(|far| each.state(far)), [8, 11, 0, 15, 15]);
    }
}
