//! What the distance between two tokens adds to how much one sees of the other, in families that have such.

use std::fmt::Debug;

use burn::tensor::{Device, Int, Tensor};

use super::config::EncoderConfig;
use super::weights::Weights;
use crate::error::ModelError;

/// How a family counts distances, as its `config.json` says.
pub(super) trait Relative: Debug {
    /// How many sums a score is made of: it is smaller by the root of their number.
    fn parts(&self) -> usize {
        1
    }

    /// Puts what a file holds of distances on the device.
    fn read(
        &self,
        weights: &Weights<'_>,
        config: &EncoderConfig,
        device: &Device,
    ) -> Result<Box<dyn Distances>, ModelError>;
}

/// Distances at work.
pub(super) trait Distances: Send + Sync {
    /// For texts of up to `seq` tokens.
    fn pass(&self, seq: usize) -> Pass;

    /// What is added to the scores of tokens, `[1 or batch, heads, seq, seq]`, in a layer whose queries, keys and
    /// values are `all`, `[batch * seq, 3 * hidden]`.
    fn added(&self, pass: &Pass, layer: usize, all: &Tensor<2>) -> Option<Tensor<4>>;
}

/// Of one pass: what is the same in all layers.
pub(super) enum Pass {
    /// `[1, heads, seq, seq]`
    Added(Tensor<4>),
    /// Which states of distances are looked at.
    States {
        /// The first of them, and how many there are.
        range: (usize, usize),
        /// `[1, 1, seq, seq]`: from the first, of query row and key column.
        states: Tensor<4, Int>,
    },
}
