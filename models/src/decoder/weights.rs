//! The decoder's tensors, read from the file and put where they are used.

use std::borrow::Cow;

use burn::tensor::Device;

use super::WeightStorage;
use super::config::DecoderConfig;
use crate::cpu_device;
use crate::error::ModelError;
use crate::format::gguf::{Gguf, Stored};
use crate::host::Kernels;
use crate::layers::blocks::BlockMatrix;
use crate::layers::linear::Linear;
use crate::layers::norm::RmsNorm;
use crate::layers::rotary::Pairs;
use crate::room;

/// A file's tensors, on their way to `device`.
pub(super) struct Weights<'a> {
    pub gguf: &'a Gguf<'a>,
    pub device: &'a Device,
    pub config: &'a DecoderConfig,
    storage: WeightStorage,
}

/// A matrix of a file without the end of its name, `.weight`.
pub(super) struct Matrix {
    pub name: String,
    pub outputs: usize,
    /// Heads, at the beginning of the outputs, whose numbers turn in pairs.
    pub turning: usize,
}

impl Matrix {
    pub(super) fn new(name: impl Into<String>, outputs: usize) -> Self {
        Self { name: name.into(), outputs, turning: 0 }
    }
}

impl<'a> Weights<'a> {
    pub(super) fn new(
        gguf: &'a Gguf<'a>,
        config: &'a DecoderConfig,
        storage: WeightStorage,
        device: &'a Device,
    ) -> Result<Self, ModelError> {
        if storage == WeightStorage::AsStored && *device != cpu_device() {
            let allowed = "F32, F16, or AsStored on the CPU device";
            return Err(ModelError::argument("weights", format!("AsStored on {device:?}"), allowed));
        }
        Ok(Self { gguf, device, config, storage })
    }

    /// The normalisation of that name: of states, or of a head, whose pairs are neighbours then.
    pub(super) fn norm(&self, name: &str, is_of_head: bool) -> Result<RmsNorm, ModelError> {
        let columns = if is_of_head { self.config.head_dim } else { self.config.hidden };
        let weight = self.gguf.tensor(&format!("{name}.weight"), &[columns])?;
        let weight = if is_of_head { self.in_pairs(&weight, 1, 1).into_owned() } else { weight };
        Ok(RmsNorm::new(weight, self.config.rms_epsilon, self.kernels(), self.device))
    }

    /// What computes with weights that are stored so.
    pub(super) fn kernels(&self) -> Kernels {
        match self.storage {
            WeightStorage::AsStored => Kernels::fastest(self.device),
            WeightStorage::F32 => Kernels::Burn,
            WeightStorage::F16 => Kernels::Half,
        }
    }

    /// One product for matrices of the same inputs: their outputs one after another, with their biases where they have
    /// some. Rows of weights are outputs, so these are their rows one after another.
    pub(super) fn linear(&self, matrices: &[Matrix], inputs: usize, has_biases: bool) -> Result<Linear, ModelError> {
        let linear = self.product(matrices, inputs)?;
        if !has_biases {
            return Ok(linear);
        }
        let mut biases = Vec::new();
        for Matrix { name, outputs, turning } in matrices {
            let bias = self.gguf.tensor(&format!("{name}.bias"), &[*outputs])?;
            biases.extend_from_slice(&self.in_pairs(&bias, 1, *turning));
        }
        Ok(linear.with_bias(biases, self.device))
    }

    fn product(&self, matrices: &[Matrix], inputs: usize) -> Result<Linear, ModelError> {
        let mut stored = Vec::new();
        for Matrix { name, outputs, turning } in matrices {
            let rows = self.gguf.stored(&format!("{name}.weight"), &[*outputs, inputs])?;
            let row = inputs / rows.kind.elements * rows.kind.bytes;
            let ordered = match self.is_ordered(*turning) {
                true => None,
                false => Some(self.in_pairs(&rows.bytes()?, row, *turning).into_owned()),
            };
            stored.push((rows, ordered));
        }
        let in_order =
            stored.iter().map(|(rows, ordered)| ordered.as_ref().map_or(*rows, |bytes| Stored::of(rows.kind, bytes)));
        let stored: Vec<Stored<'_>> = in_order.collect();
        let kernels = self.kernels();
        if self.storage == WeightStorage::AsStored {
            return BlockMatrix::new(&stored, inputs, kernels).map(Linear::from_blocks);
        }
        let outputs = matrices.iter().map(|matrix| matrix.outputs).sum();
        let names: Vec<String> = matrices.iter().map(|matrix| format!("{}.weight", matrix.name)).collect();
        room::check(&names.join(" + "), kernels.matrix_bytes(outputs, inputs), self.device)?;
        let mut values = vec![0.0; outputs * inputs];
        let mut rest = values.as_mut_slice();
        for (stored, matrix) in stored.iter().zip(matrices) {
            let (own, others) = rest.split_at_mut(matrix.outputs * inputs);
            stored.kind.unpack_into(&stored.bytes()?, own);
            rest = others;
        }
        Ok(Linear::for_kernels(values, outputs, inputs, kernels, self.device))
    }

    /// Whether pairs are neighbours already among the rows of so many heads.
    fn is_ordered(&self, turning: usize) -> bool {
        turning == 0 || self.config.spec.pairs == Pairs::Neighbours
    }

    /// `rows` of `length` each, those of the first `turning` heads in an order in which pairs are neighbours.
    fn in_pairs<'v, T: Copy>(&self, rows: &'v [T], length: usize, turning: usize) -> Cow<'v, [T]> {
        let DecoderConfig { spec, head_dim, .. } = self.config;
        if self.is_ordered(turning) {
            return Cow::Borrowed(rows);
        }
        let (turned, rest) = rows.split_at(turning * head_dim * length);
        let mut ordered = Vec::with_capacity(rows.len());
        for head in turned.chunks_exact(head_dim * length) {
            spec.pairs.order(*head_dim).for_each(|row| ordered.extend_from_slice(&head[row * length..][..length]));
        }
        ordered.extend_from_slice(rest);
        Cow::Owned(ordered)
    }
}
