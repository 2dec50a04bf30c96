//! A matrix that rows are multiplied with.

use burn::tensor::activation::gelu;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use poq_kernels::{OUTPUTS_TOGETHER, PackedMatrix, PackedRows};

use crate::host::{self, Kernels};
use crate::layers::blocks::BlockMatrix;
use crate::layers::fused;
use crate::parallel;

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
    /// On the CPU device only: some outputs for each thread.
    Packed(Vec<PackedMatrix>),
    /// On the CPU device only.
    Blocks(BlockMatrix),
}

/// `[outputs, inputs]` as f32, or in half precision.
struct FullMatrix {
    /// A product reads it through a transposed view, so that nothing is copied.
    rows: Tensor<2>,
    /// The same rows again, as views of some outputs each: for one row of input, each thread reads one of them.
    parts: Vec<Tensor<2>>,
}

impl Linear {
    /// `weight` holds `outputs` rows of `inputs` numbers.
    pub(crate) fn new(weight: Vec<f32>, outputs: usize, inputs: usize, device: &Device) -> Self {
        Self::full(weight, outputs, inputs, DType::F32, device)
    }

    fn full(weight: Vec<f32>, outputs: usize, inputs: usize, dtype: DType, device: &Device) -> Self {
        let rows = Tensor::from_data(TensorData::new(weight, [outputs, inputs]), (device, dtype));
        Self { weight: Weight::Full(Box::new(FullMatrix::new(rows))), bias: None }
    }

    /// As [`Self::new`], for products by `kernels`: those of the host want all inputs on the CPU device.
    pub(crate) fn for_kernels(
        weight: Vec<f32>,
        outputs: usize,
        inputs: usize,
        kernels: Kernels,
        device: &Device,
    ) -> Self {
        match kernels {
            Kernels::Burn => Self::new(weight, outputs, inputs, device),
            Kernels::Half => Self::full(weight, outputs, inputs, DType::F16, device),
            Kernels::Host => {
                let part = outputs.div_ceil(parallel::parts(device)).next_multiple_of(OUTPUTS_TOGETHER);
                let packed = weight.chunks(part * inputs).map(|weight| {
                    let mut fill =
                        |row: usize, values: &mut [f32]| values.copy_from_slice(&weight[row * inputs..][..inputs]);
                    PackedMatrix::from_rows(weight.len() / inputs, inputs, &mut fill)
                });
                Self { weight: Weight::Packed(packed.collect()), bias: None }
            }
        }
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
        match &self.weight {
            Weight::Full(weight) => weight.product(x, self.bias.as_ref()),
            Weight::Packed(parts) => self.on_host(parts, x),
            Weight::Blocks(weight) => {
                let y = weight.product(x);
                match &self.bias {
                    Some(bias) => y + bias.clone(),
                    None => y,
                }
            }
        }
    }

    /// `gelu` of [`Self::forward`].
    pub(crate) fn forward_gelu(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.weight {
            Weight::Full(weight) => fused::linear_gelu(x, weight.rows.clone(), self.bias.as_ref()),
            Weight::Packed(_) | Weight::Blocks(_) => gelu(self.forward(x)),
        }
    }

    fn on_host(&self, parts: &[PackedMatrix], x: Tensor<2>) -> Tensor<2> {
        let [rows, inputs] = x.dims();
        let x = PackedRows::new(&host::values(x), rows, inputs, inputs);
        let bias = self.bias.clone().map(host::values);
        let mut parts_with_bias = Vec::new();
        let mut outputs = 0;
        for part in parts {
            parts_with_bias.push((part, bias.as_ref().map(|bias| &bias[outputs..][..part.outputs()])));
            outputs += part.outputs();
        }
        let mut products = parallel::map(&parts_with_bias, |(part, bias)| {
            let mut y = bias.map_or_else(|| vec![0.0; rows * part.outputs()], |bias| bias.repeat(rows));
            part.add_product(&x, &mut y, part.outputs());
            y
        });
        if products.len() == 1 {
            return host::tensor(products.remove(0), [rows, outputs]);
        }
        let mut y = vec![0.0; rows * outputs];
        let mut first = 0;
        for product in products {
            first = host::put_columns(&mut y, rows, first, &product);
        }
        host::tensor(y, [rows, outputs])
    }

    /// The weights of some outputs, each below the number of outputs: `[numbers, inputs]`. So an embedding table may
    /// be the head too.
    pub(crate) fn select(&self, numbers: &[u32], device: &Device) -> Tensor<2> {
        match &self.weight {
            Weight::Full(weight) => {
                let indices: Vec<i32> = numbers.iter().map(|number| *number as i32).collect();
                let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [numbers.len()]), device);
                weight.rows.clone().select(0, indices).cast(DType::F32)
            }
            Weight::Packed(parts) => {
                // All parts but the last have as many outputs as the first.
                let of_part = parts[0].outputs() as u32;
                let row = |number: &u32| parts[(number / of_part) as usize].select(&[number % of_part]);
                host::tensor(numbers.iter().flat_map(row).collect(), [numbers.len(), parts[0].inputs()])
            }
            Weight::Blocks(weight) => weight.select(numbers, device),
        }
    }
}

/// [`Linear`] of rows in the host's memory, on the thread that calls.
pub(crate) struct HostLinear {
    weight: PackedMatrix,
    /// `[outputs]`
    bias: Vec<f32>,
}

impl HostLinear {
    /// `weight` is `[outputs, inputs]`.
    pub(crate) fn new(weight: Vec<f32>, bias: Vec<f32>, [outputs, inputs]: [usize; 2]) -> Self {
        let mut fill = |row: usize, values: &mut [f32]| values.copy_from_slice(&weight[row * inputs..][..inputs]);
        Self { weight: PackedMatrix::from_rows(outputs, inputs, &mut fill), bias }
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub(crate) fn forward(&self, x: &[f32]) -> Vec<f32> {
        let rows = x.len() / self.weight.inputs();
        let mut y = self.bias.repeat(rows);
        self.add_product(x, rows, &mut y);
        y
    }

    /// [`Self::forward`], to a place that is there.
    pub(crate) fn forward_to(&self, x: &[f32], y: &mut [f32]) {
        y.chunks_exact_mut(self.bias.len()).for_each(|y| y.copy_from_slice(&self.bias));
        self.add_product(x, x.len() / self.weight.inputs(), y);
    }

    fn add_product(&self, x: &[f32], rows: usize, y: &mut [f32]) {
        let inputs = self.weight.inputs();
        self.weight.add_product(&PackedRows::new(x, rows, inputs, inputs), y, self.bias.len());
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

    /// f32 to f32, whatever the weights are.
    fn product(&self, x: Tensor<2>, bias: Option<&Tensor<2>>) -> Tensor<2> {
        let [rows, _] = x.dims();
        if rows > 1 || self.parts.is_empty() {
            return fused::linear(x, self.rows.clone(), bias);
        }
        let y = Tensor::cat(parallel::map(&self.parts, |part| fused::linear(x.clone(), part.clone(), None)), 1);
        match bias {
            Some(bias) => y + bias.clone(),
            None => y,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu_device;

    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|index| libm::sinf((index * index) as f32 * 0.37)).collect()
    }

    /// By burn's kernels and by the host's, against sums in f64.
    #[test]
    fn products_are_sums_of_products_plus_the_bias() {
        let device = cpu_device();
        for (rows, outputs, inputs) in
            [(1, 5, 3), (2, 13, 30), (3, 8, 400), (4, 16, 6), (5, 31, 33), (7, 9, 64), (66, 30, 50)]
        {
            let (weight, bias, x) = (numbers(outputs * inputs), numbers(outputs), numbers(rows * inputs));
            for kernels in [Kernels::Burn, Kernels::Host] {
                let linear = || Linear::for_kernels(weight.clone(), outputs, inputs, kernels, &device);
                let biased = linear().with_bias(bias.clone(), &device);
                for (linear, bias) in [(linear(), &vec![0.0; outputs]), (biased, &bias)] {
                    let input = || host::tensor(x.clone(), [rows, inputs]);
                    let on_host = HostLinear::new(weight.clone(), bias.clone(), [outputs, inputs]).forward(&x);
                    assert_eq!(on_host.len(), rows * outputs);
                    let (y, activated) = (linear.forward(input()), linear.forward_gelu(input()));
                    assert_eq!((y.dims(), activated.dims()), ([rows, outputs], [rows, outputs]));
                    let (y, activated) = (host::values(y), host::values(activated));
                    for (index, (y, activated)) in y.into_iter().zip(activated).enumerate() {
                        let (row, output) = (index / outputs, index % outputs);
                        let products = || {
                            let weight = weight[output * inputs..][..inputs].iter().map(|weight| f64::from(*weight));
                            x[row * inputs..].iter().zip(weight).map(|(x, weight)| f64::from(*x) * weight)
                        };
                        let expected = products().sum::<f64>() + f64::from(bias[output]);
                        let bound = 1e-6 * (1.0 + products().map(f64::abs).sum::<f64>());
                        let place = format!("{kernels:?}, [{rows}, {inputs}] to {outputs}, at {row}, {output}");
                        for y in [y, on_host[index]] {
                            assert!((f64::from(y) - expected).abs() < bound, "{place}: {y} for {expected}");
                        }
                        let expected = 0.5 * expected * (1.0 + libm::erf(expected / std::f64::consts::SQRT_2));
                        assert!((f64::from(activated) - expected).abs() < 2.0 * bound, "{place}: {activated}");
                    }
                }
            }
        }
    }

    #[test]
    fn weights_of_some_outputs_are_selected() {
        let weight = numbers(20 * 6);
        for kernels in [Kernels::Burn, Kernels::Host] {
            let linear = Linear::for_kernels(weight.clone(), 20, 6, kernels, &cpu_device());
            let seen = host::values(linear.select(&[19, 0, 8], &cpu_device()));
            assert_eq!(seen, [&weight[114..], &weight[..6], &weight[48..54]].concat(), "{kernels:?}");
        }
    }
}
