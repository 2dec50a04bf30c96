//! When to compute on the host's memory with `poq_kernels`, and the way there from burn's tensors: in a page there is
//! one thread, and burn's product packs all weights anew each time.

use burn::tensor::{Device, Tensor, TensorData};

/// Whose arithmetic a model computes with. Results differ by rounding alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernels {
    /// burn's, on any device; on a GPU, our own where there are any.
    Burn,
    /// The same, with weights in half precision; what is between products is f32. For a GPU whose shaders know half
    /// precision.
    Half,
    /// Those of `poq_kernels`, for the CPU device alone: on one thread, in vectors of four numbers.
    Host,
}

impl Kernels {
    /// The faster ones on `device`.
    pub fn fastest(device: &Device) -> Self {
        if cfg!(target_family = "wasm") && *device == crate::cpu_device() { Self::Host } else { Self::Burn }
    }

    /// What a matrix takes of the device's memory.
    pub(crate) fn matrix_bytes(self, outputs: usize, inputs: usize) -> usize {
        let number = match self {
            Self::Half => size_of::<half::f16>(),
            Self::Burn | Self::Host => size_of::<f32>(),
        };
        outputs.saturating_mul(inputs).saturating_mul(number)
    }
}

/// What a tensor on the CPU device holds. This device's reads are ready at once, so that they need not be awaited even
/// in a page.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("the CPU device computes in f32")
}

/// A tensor on the CPU device.
pub(crate) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &crate::cpu_device())
}
