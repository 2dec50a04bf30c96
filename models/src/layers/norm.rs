//! Normalisation of rows.

use burn::tensor::{Device, Tensor, TensorData};

use super::fused;

/// By the root of the mean square.
pub(crate) struct RmsNorm {
    /// `[1, columns]`
    weight: Tensor<2>,
    epsilon: f64,
}

impl RmsNorm {
    pub(crate) fn new(weight: Vec<f32>, epsilon: f64, device: &Device) -> Self {
        let columns = weight.len();
        Self { weight: Tensor::from_data(TensorData::new(weight, [1, columns]), device), epsilon }
    }

    /// `[rows, columns]` to the same.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        fused::rms_norm(x, &self.weight, self.epsilon)
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
