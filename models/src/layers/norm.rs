//! Normalisation of rows.

use burn::tensor::{Device, Tensor, TensorData};

use super::fused;
use crate::host::{self, Kernels};
use crate::parallel;

/// By the root of the mean square.
pub(crate) struct RmsNorm {
    /// `[1, columns]`
    weight: Tensor<2>,
    /// The same, in the host's memory.
    on_host: Vec<f32>,
    epsilon: f64,
    kernels: Kernels,
}

impl RmsNorm {
    pub(crate) fn new(weight: Vec<f32>, epsilon: f64, kernels: Kernels, device: &Device) -> Self {
        let columns = weight.len();
        let on_device = Tensor::from_data(TensorData::new(weight.clone(), [1, columns]), device);
        Self { weight: on_device, on_host: weight, epsilon, kernels }
    }

    /// `[rows, columns]` to the same.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self.kernels {
            Kernels::Burn | Kernels::Half => fused::rms_norm(x, &self.weight, self.epsilon),
            Kernels::Host => {
                let shape = x.dims();
                let mut values = host::values(x);
                parallel::each_row(&mut values, self.on_host.len(), |_, row| self.normalise(row));
                host::tensor(values, shape)
            }
        }
    }

    /// One row, in the host's memory.
    pub(crate) fn normalise(&self, row: &mut [f32]) {
        poq_kernels::rms_norm(row, &self.on_host, self.epsilon as f32);
    }
}

/// By mean and standard deviation.
pub(crate) struct LayerNorm {
    /// `[columns]`
    weight: Tensor<1>,
    /// `[columns]`
    bias: Tensor<1>,
    epsilon: f64,
}

impl LayerNorm {
    pub(crate) fn new(weight: Vec<f32>, bias: Vec<f32>, epsilon: f64, device: &Device) -> Self {
        let row = |values: Vec<f32>| {
            let columns = values.len();
            Tensor::from_data(TensorData::new(values, [columns]), device)
        };
        Self { weight: row(weight), bias: row(bias), epsilon }
    }

    /// `[rows, columns]` to the same.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        fused::layer_norm(x, &self.weight, &self.bias, self.epsilon)
    }
}
