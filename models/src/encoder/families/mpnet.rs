//! MPNet (arXiv 2004.09297), with T5's buckets of distances (arXiv 1910.10683).

use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::Deserialize;

use super::{BERT_LAYER, FirstPosition, LayerNames, Own, Spec, Types};
use crate::encoder::config::EncoderConfig;
use crate::encoder::head::{Activation, HeadSpec, Place};
use crate::encoder::relative::{Distances, Pass, Relative};
use crate::encoder::weights::Weights;
use crate::error::{ModelError, Part, read_json};

pub(super) const SPEC: Spec = Spec {
    model_type: "mpnet",
    class: "MPNet",
    layer: LayerNames {
        query: "attention.attn.q",
        key: "attention.attn.k",
        value: "attention.attn.v",
        attention_output: "attention.attn.o",
        attention_norm: "attention.LayerNorm",
        ..BERT_LAYER
    },
    first_position: FirstPosition::AfterPadding,
    types: Types::Never,
    epsilon: 1e-12,
    own,
    head: HeadSpec { dense: Place::File("classifier.dense"), activation: Activation::Tanh, out: "classifier.out_proj" },
};

#[derive(Deserialize)]
struct Fields {
    relative_attention_num_buckets: Option<usize>,
}

/// The only number that the family's implementations compute with.
const BUCKETS: usize = 32;

fn own(config: &[u8]) -> Result<Own, ModelError> {
    let Fields { relative_attention_num_buckets: count } = read_json(Part::ConfigJson, config)?;
    match count.unwrap_or(BUCKETS) {
        BUCKETS => Ok(Own { relative: Some(Box::new(Buckets)), has_positions: true }),
        other => Err(ModelError::field(Part::ConfigJson, "relative_attention_num_buckets", other, BUCKETS.to_string())),
    }
}

/// Each bucket has a number for each head that is added to scores.
#[derive(Debug)]
struct Buckets;

impl Relative for Buckets {
    fn read(
        &self,
        weights: &Weights<'_>,
        config: &EncoderConfig,
        device: &Device,
    ) -> Result<Box<dyn Distances>, ModelError> {
        let shape = [BUCKETS, config.heads];
        let values = weights.tensor("encoder.relative_attention_bias.weight", &shape)?;
        Ok(Box::new(Table(Tensor::from_data(TensorData::new(values, shape), device))))
    }
}

/// `[buckets, heads]`
struct Table(Tensor<2>);

impl Distances for Table {
    fn pass(&self, seq: usize) -> Pass {
        let pairs = (0..seq as i64).flat_map(|query| (0..seq as i64).map(move |key| (query, key)));
        let buckets: Vec<i32> = pairs.map(|(query, key)| bucket(key - query) as i32).collect();
        let buckets = Tensor::<1, Int>::from_data(TensorData::new(buckets, [seq * seq]), &self.0.device());
        let [_, heads] = self.0.dims();
        Pass::Added(self.0.clone().select(0, buckets).swap_dims(0, 1).reshape([1, heads, seq, seq]))
    }

    fn added(&self, pass: &Pass, _layer: usize, _all: &Tensor<2>) -> Option<Tensor<4>> {
        match pass {
            Pass::Added(added) => Some(added.clone()),
            Pass::States { .. } => None,
        }
    }
}

/// The bucket of a key `distance` tokens after its query: half of them for each direction, and half of those for one
/// distance each.
fn bucket(distance: i64) -> i64 {
    const GREATEST: f32 = 128.0;
    let half = (BUCKETS / 2) as i64;
    let nearest = half / 2;
    let far = distance.abs();
    let number = if far < nearest {
        far
    } else {
        let share = (far as f32 / nearest as f32).ln() / (GREATEST / nearest as f32).ln();
        (nearest + (share * (half - nearest) as f32) as i64).min(half - 1)
    };
    number + if distance > 0 { half } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::bucket;

    #[test]
    fn distances_fall_into_buckets_that_grow() {
        assert_eq!([0, -1, -7, -8, -11, -12, -127, -128, -5000].map(bucket), [0, 1, 7, 8, 8, 9, 15, 15, 15]);
        assert_eq!([1, 7, 8, 5000].map(bucket), [17, 23, 24, 31]);
    }
}
