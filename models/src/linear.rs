//! A matrix that rows are multiplied with.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::parallel;
use crate::quantised::BlockMatrix;

/// Numbers in a matrix from which on its product with one row is shared between threads (a tenth of a millisecond).
const MIN_SHARED: usize = 1 << 18;

/// `y = x W^T (+ b)`, with the weights as files hold them: one row for each output.
pub(crate) struct Linear {
    weight: Weight,
    /// `[1, outputs]`
    bias: Option<Tensor<2>>,
}

enum Weight {
    Full(Box<FullMatrix>),
    /// On the CPU device only.
    Blocks(BlockMatrix),
}

/// `[outputs, inputs]` as f32.
struct FullMatrix {
    /// A product reads it through a transposed view, so that nothing is copied.
    rows: Tensor<2>,
    /// The same rows again, as views of some outputs each: for one row of input, each thread reads one of them.
    parts: Vec<Tensor<2>>,
}

impl Linear {
    /// `weight` holds `outputs` rows of `inputs` numbers.
    pub(crate) fn new(weight: Vec<f32>, outputs: usize, inputs: usize, device: &Device) -> Self {
        let rows = Tensor::from_data(TensorData::new(weight, [outputs, inputs]), device);
        Self { weight: Weight::Full(Box::new(FullMatrix::new(rows))), bias: None }
    }

    /// Weights that stay as they are stored; all inputs must then be on the CPU device.
    pub(crate) fn from_blocks(weight: BlockMatrix) -> Self {
        Self { weight: Weight::Blocks(weight), bias: None }
    }

    /// `bias` holds a number for each output.
    pub(crate) fn with_bias(self, bias: Vec<f32>, device: &Device) -> Self {
        let outputs = bias.len();
        let data = TensorData::new(bias, [1, outputs]);
        Self { bias: Some(Tensor::from_data(data, device)), ..self }
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = match &self.weight {
            Weight::Full(weight) => weight.product(x),
            Weight::Blocks(weight) => weight.product(x),
        };
        match &self.bias {
            Some(bias) => y + bias.clone(),
            None => y,
        }
    }

    /// The weights of some outputs, each below the number of outputs: `[numbers, inputs]`. So an embedding table may
    /// be the head too.
    pub(crate) fn select(&self, numbers: &[u32], device: &Device) -> Tensor<2> {
        match &self.weight {
            Weight::Full(weight) => {
                let indices: Vec<i32> = numbers.iter().map(|number| *number as i32).collect();
                let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [numbers.len()]), device);
                weight.rows.clone().select(0, indices)
            }
            Weight::Blocks(weight) => weight.select(numbers, device),
        }
    }
}

impl FullMatrix {
    fn new(rows: Tensor<2>) -> Self {
        let [outputs, inputs] = rows.dims();
        let parts = parallel::parts(&rows.device()).min(outputs);
        let parts = match parts > 1 && outputs * inputs >= MIN_SHARED {
            true => rows.clone().split(outputs.div_ceil(parts), 0),
            false => Vec::new(),
        };
        Self { rows, parts }
    }

    fn product(&self, x: Tensor<2>) -> Tensor<2> {
        let [rows, _] = x.dims();
        if rows == 1 && !self.parts.is_empty() {
            Tensor::cat(parallel::map(&self.parts, |part| x.clone().matmul(part.clone().transpose())), 1)
        } else {
            x.matmul(self.rows.clone().transpose())
        }
    }
}
