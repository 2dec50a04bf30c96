//! A matrix that rows are multiplied with.

use burn::tensor::{Device, Tensor, TensorData};

use crate::parallel;

/// Numbers in a matrix from which on its product with one row is shared between threads (a tenth of a millisecond).
const MIN_SHARED: usize = 1 << 18;

/// `y = x W^T (+ b)`, with the weights as files hold them: one row for each output.
pub(crate) struct Linear {
    /// `[outputs, inputs]`; a product reads it through a transposed view, so that nothing is copied.
    weight: Tensor<2>,
    /// The same rows again, as views of some outputs each: for one row of input, each thread reads one of them.
    parts: Vec<Tensor<2>>,
    /// `[1, outputs]`
    bias: Option<Tensor<2>>,
}

impl Linear {
    /// `weight` holds `outputs` rows of `inputs` numbers.
    pub(crate) fn new(weight: Vec<f32>, outputs: usize, inputs: usize, device: &Device) -> Self {
        Self::from_tensor(Tensor::from_data(TensorData::new(weight, [outputs, inputs]), device))
    }

    /// `weight` is `[outputs, inputs]`, and may serve elsewhere too.
    pub(crate) fn from_tensor(weight: Tensor<2>) -> Self {
        let [outputs, inputs] = weight.dims();
        let parts = parallel::parts(&weight.device()).min(outputs);
        let parts = match parts > 1 && outputs * inputs >= MIN_SHARED {
            true => weight.clone().split(outputs.div_ceil(parts), 0),
            false => Vec::new(),
        };
        Self { weight, parts, bias: None }
    }

    pub(crate) fn with_bias(self, bias: Vec<f32>) -> Self {
        let data = TensorData::new(bias, [1, self.weight.dims()[0]]);
        let bias = Some(Tensor::from_data(data, &self.weight.device()));
        Self { bias, ..self }
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [rows, _] = x.dims();
        let y = if rows == 1 && !self.parts.is_empty() {
            Tensor::cat(parallel::map(&self.parts, |part| x.clone().matmul(part.clone().transpose())), 1)
        } else {
            x.matmul(self.weight.clone().transpose())
        };
        match &self.bias {
            Some(bias) => y + bias.clone(),
            None => y,
        }
    }
}
