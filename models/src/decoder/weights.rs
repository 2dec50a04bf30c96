//! The decoder's tensors, read from the file and put where they are used.

use burn::tensor::{Device, Tensor, TensorData};

use super::WeightStorage;
use crate::cpu_device;
use crate::error::ModelError;
use crate::gguf::{Gguf, Stored};
use crate::host::Kernels;
use crate::linear::Linear;
use crate::quantised::BlockMatrix;
use crate::room;

/// A file's tensors, on their way to `device`.
pub(super) struct Weights<'a> {
    pub gguf: &'a Gguf<'a>,
    pub device: &'a Device,
    storage: WeightStorage,
}

impl<'a> Weights<'a> {
    pub(super) fn new(gguf: &'a Gguf<'a>, storage: WeightStorage, device: &'a Device) -> Result<Self, ModelError> {
        if storage == WeightStorage::AsStored && *device != cpu_device() {
            let allowed = "F32, F16, or AsStored on the CPU device";
            return Err(ModelError::argument("weights", format!("AsStored on {device:?}"), allowed));
        }
        Ok(Self { gguf, device, storage })
    }

    /// A row of numbers: `[1, length]`.
    pub(super) fn row(&self, name: &str, length: usize) -> Result<Tensor<2>, ModelError> {
        let data = TensorData::new(self.gguf.tensor(name, &[length])?, [1, length]);
        Ok(Tensor::from_data(data, self.device))
    }

    /// One product for tensors of the same inputs, given as names and outputs: their outputs one after another. Rows of
    /// weights are outputs, so these are their rows one after another.
    pub(super) fn linear(&self, tensors: &[(&str, usize)], inputs: usize) -> Result<Linear, ModelError> {
        let stored = tensors.iter().map(|(name, outputs)| self.gguf.stored(name, &[*outputs, inputs]));
        let stored = stored.collect::<Result<Vec<_>, _>>()?;
        Ok(match self.storage {
            WeightStorage::AsStored => {
                Linear::from_blocks(BlockMatrix::new(&stored, inputs, Kernels::fastest(self.device)))
            }
            storage @ (WeightStorage::F32 | WeightStorage::F16) => {
                let kernels = if storage == WeightStorage::F16 { Kernels::Half } else { Kernels::Burn };
                let outputs = tensors.iter().map(|(_, outputs)| outputs).sum();
                let names: Vec<&str> = tensors.iter().map(|(name, _)| *name).collect();
                room::check(&names.join(" + "), kernels.matrix_bytes(outputs, inputs), self.device)?;
                let mut values = vec![0.0; outputs * inputs];
                let mut start = 0;
                for (Stored { kind, bytes }, (_, outputs)) in stored.iter().zip(tensors) {
                    let end = start + outputs * inputs;
                    kind.unpack_into(bytes, &mut values[start..end]);
                    start = end;
                }
                Linear::for_kernels(values, outputs, inputs, kernels, self.device)
            }
        })
    }
}
