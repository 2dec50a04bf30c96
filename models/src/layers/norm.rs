//! Normalisation of rows.

use burn::tensor::{Device, Tensor, TensorData};

use super::fused;
use crate::host::{self, Kernels};

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
            Kernels::Host => host::with_rows(x, |row| self.normalise(row)),
        }
    }

    /// One row, in the host's memory.
    pub(crate) fn normalise(&self, row: &mut [f32]) {
        poq_kernels::rms_norm(row, &self.on_host, self.epsilon as f32);
    }
}

/// By mean and standard deviation.
pub(crate) enum LayerNorm {
    OnDevice(Box<DeviceNorm>),
    OnHost(HostNorm),
}

/// [`LayerNorm`] by burn's kernels.
pub(crate) struct DeviceNorm {
    /// `[columns]`
    weight: Tensor<1>,
    /// `[columns]`
    bias: Tensor<1>,
    epsilon: f64,
}

/// [`LayerNorm`] of rows in the host's memory, on the thread that calls.
pub(crate) struct HostNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl HostNorm {
    pub(crate) fn new(weight: Vec<f32>, bias: Vec<f32>, epsilon: f64) -> Self {
        Self { weight, bias, epsilon: epsilon as f32 }
    }

    fn normalise(&self, row: &mut [f32]) {
        poq_kernels::layer_norm(row, &self.weight, &self.bias, self.epsilon);
    }

    /// Normalises each row of the sum `x + y`, in the place of `x`.
    pub(crate) fn normalise_sum(&self, x: &mut [f32], y: &[f32]) {
        let columns = self.weight.len();
        for (x, y) in x.chunks_exact_mut(columns).zip(y.chunks_exact(columns)) {
            x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
            self.normalise(x);
        }
    }
}

impl LayerNorm {
    pub(crate) fn new(weight: Vec<f32>, bias: Vec<f32>, epsilon: f64, kernels: Kernels, device: &Device) -> Self {
        let row = |values: Vec<f32>| {
            let columns = values.len();
            Tensor::from_data(TensorData::new(values, [columns]), device)
        };
        match kernels {
            Kernels::Burn | Kernels::Half => {
                Self::OnDevice(Box::new(DeviceNorm { weight: row(weight), bias: row(bias), epsilon }))
            }
            Kernels::Host => Self::OnHost(HostNorm::new(weight, bias, epsilon)),
        }
    }

    /// `[rows, columns]` to the same.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::OnDevice(norm) => fused::layer_norm(x, &norm.weight, &norm.bias, norm.epsilon),
            Self::OnHost(norm) => host::with_rows(x, |row| norm.normalise(row)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the host's kernels as by burn's; enough rows that threads share them.
    #[test]
    fn both_kernels_normalise_alike() {
        let device = crate::cpu_device();
        let numbers = |count: usize, step: f32| -> Vec<f32> {
            (0..count).map(|index| libm::sinf((index * index) as f32 * step) * 3.0 + 1.0).collect()
        };
        for (rows, columns) in [(1, 3), (5, 66), (300, 120)] {
            let [of_burn, of_host] = [Kernels::Burn, Kernels::Host].map(|kernels| {
                let (weight, bias) = (numbers(columns, 0.7), numbers(columns, 0.3));
                let layer = LayerNorm::new(weight.clone(), bias, 1e-5, kernels, &device);
                let rms = RmsNorm::new(weight, 1e-5, kernels, &device);
                let x = || host::tensor(numbers(rows * columns, 0.37), [rows, columns]);
                [layer.forward(x()), rms.forward(x())].map(|seen| {
                    assert_eq!(seen.dims(), [rows, columns]);
                    host::values(seen)
                })
            });
            for (of_burn, of_host) in of_burn.into_iter().flatten().zip(of_host.into_iter().flatten()) {
                assert!((of_burn - of_host).abs() < 1e-4, "[{rows}, {columns}]: {of_host} for {of_burn}");
            }
        }
    }
}
