//! Matrices that stay in their file's blocks of few bits, multiplied on the CPU without becoming f32 as a whole.
//!
//! One row of inputs meets the numbers as they are stored, each input as it was to within a 2^-22nd of the largest of
//! its group of 32, or less; with several rows weights become f32 as they are used. Sums are f32: but for that, results
//! are those of f32 weights, up to the order of the sums.

use burn::tensor::{Device, Tensor, TensorData};

use poq_kernels::{BlockType, Input, Inputs, PackedBlocks, PackedMatrix, PackedRows, dot};

use crate::error::ModelError;
use crate::format::gguf::Stored;
use crate::host::{self, Kernels};
use crate::parallel;

/// Numbers that a panel holds at most, unless one row has more: as f32 they stay in a core's own cache.
const PANEL: usize = 1 << 17;

/// Parts whose products with several rows are in memory at once, beside the rows that come of all.
const TOGETHER: usize = 16;

/// Parts of a matrix for each thread, where it is multiplied with several rows: so that none waits long for another.
const PARTS: usize = 4;

/// `[outputs, inputs]`, in blocks, in the host's memory.
pub(crate) struct BlockMatrix {
    panels: Vec<Panel>,
    outputs: usize,
    inputs: usize,
    /// What multiplies several rows.
    kernels: Kernels,
}

/// Some rows of a matrix, of one storage type: what a thread multiplies, or unpacks, at a time.
struct Panel {
    weights: Blocks,
    /// The number of its first row in the matrix.
    first: usize,
    rows: usize,
    inputs: usize,
}

/// Whole rows of blocks.
enum Blocks {
    /// Numbers of few bits.
    Packed(PackedBlocks),
    /// Numbers as they are, as the file has them: F32, F16 and BF16.
    Raw { kind: &'static BlockType, bytes: Vec<u8> },
}

impl BlockMatrix {
    /// The rows of tensors one after another, each tensor with rows of `inputs` numbers, in whole blocks.
    pub(crate) fn new(tensors: &[Stored<'_>], inputs: usize, kernels: Kernels) -> Result<Self, ModelError> {
        let (mut panels, mut outputs) = (Vec::new(), 0);
        for tensor in tensors {
            let row = inputs / tensor.kind.elements * tensor.kind.bytes;
            let most = row * (PANEL / inputs).max(1);
            for start in (0..tensor.len()).step_by(most) {
                let bytes = tensor.part(start, most.min(tensor.len() - start))?;
                let rows = bytes.len() / row;
                panels.push(Panel { weights: Blocks::new(tensor.kind, bytes, inputs), first: outputs, rows, inputs });
                outputs += rows;
            }
        }
        Ok(Self { panels, outputs, inputs, kernels })
    }

    /// `x W^T`: `[rows, inputs]` on the CPU device to `[rows, outputs]` there.
    pub(crate) fn product(&self, x: Tensor<2>) -> Tensor<2> {
        let device = x.device();
        let [rows, _] = x.dims();
        if rows == 1 {
            let x = Input::new(host::values(x));
            let y = parallel::map(&self.panels, |panel| panel.product(&x)).concat();
            return host::tensor(y, [1, self.outputs]);
        }
        // Each weight serves many rows: unpacked once, it is the product of f32 numbers that counts.
        match self.kernels {
            Kernels::Burn | Kernels::Half => self.side_by_side(rows, &self.panels, |panel| {
                host::values(x.clone().matmul(panel.to_tensor(&device).transpose()))
            }),
            Kernels::Host => {
                let values = host::values(x);
                if let Some(packed) = self.packed()
                    && let Some(x) = Inputs::new(&values, rows)
                {
                    let part = packed.len().div_ceil(PARTS * parallel::parts(&device));
                    return self.side_by_side(rows, &packed.chunks(part).collect::<Vec<_>>(), |part| x.product(part));
                }
                let x = PackedRows::new(&values, rows, self.inputs, self.inputs);
                self.side_by_side(rows, &self.panels, |panel| {
                    let mut y = vec![0.0; rows * panel.rows];
                    panel.to_packed().add_product(&x, &mut y, panel.rows);
                    y
                })
            }
        }
    }

    /// `[rows, outputs]` of the products of parts of the matrix, in order.
    fn side_by_side<T: Sync>(
        &self,
        rows: usize,
        parts: &[T],
        product: impl Fn(&T) -> Vec<f32> + Sync + Send,
    ) -> Tensor<2> {
        let mut y = vec![0.0; rows * self.outputs];
        let mut first = 0;
        for parts in parts.chunks(TOGETHER) {
            for product in parallel::map(parts, &product) {
                first = host::put_columns(&mut y, rows, first, &product);
            }
        }
        host::tensor(y, [rows, self.outputs])
    }

    /// All panels, where all are of few bits.
    fn packed(&self) -> Option<Vec<&PackedBlocks>> {
        let packed = self.panels.iter().map(|panel| match &panel.weights {
            Blocks::Packed(packed) => Some(packed),
            Blocks::Raw { .. } => None,
        });
        packed.collect()
    }

    /// Rows by their numbers, each below `outputs`, as `[numbers, inputs]`.
    pub(crate) fn select(&self, numbers: &[u32], device: &Device) -> Tensor<2> {
        let mut values = vec![0.0; numbers.len() * self.inputs];
        for (number, values) in numbers.iter().zip(values.chunks_exact_mut(self.inputs)) {
            let number = *number as usize;
            let panel = &self.panels[self.panels.partition_point(|panel| panel.first <= number) - 1];
            panel.unpack(number - panel.first, values);
        }
        Tensor::from_data(TensorData::new(values, [numbers.len(), self.inputs]), device)
    }
}

impl Panel {
    /// One number for each row.
    fn product(&self, x: &Input) -> Vec<f32> {
        match &self.weights {
            Blocks::Packed(weights) => weights.product(x),
            Blocks::Raw { kind, bytes } => {
                let mut values = vec![0.0; self.inputs];
                let row = |bytes| {
                    kind.unpack_into(bytes, &mut values);
                    dot(&values, x.values())
                };
                bytes.chunks_exact(bytes.len() / self.rows).map(row).collect()
            }
        }
    }

    /// `[rows, inputs]`
    fn to_tensor(&self, device: &Device) -> Tensor<2> {
        let mut values = vec![0.0; self.rows * self.inputs];
        for (row, values) in values.chunks_exact_mut(self.inputs).enumerate() {
            self.unpack(row, values);
        }
        Tensor::from_data(TensorData::new(values, [self.rows, self.inputs]), device)
    }

    fn to_packed(&self) -> PackedMatrix {
        PackedMatrix::from_rows(self.rows, self.inputs, &mut |row, values| self.unpack(row, values))
    }

    /// Fills `inputs` numbers: those of `BlockType::unpack`.
    fn unpack(&self, row: usize, values: &mut [f32]) {
        match &self.weights {
            Blocks::Packed(weights) => weights.unpack(row, values),
            Blocks::Raw { kind, bytes } => {
                let length = bytes.len() / self.rows;
                kind.unpack_into(&bytes[row * length..][..length], values);
            }
        }
    }
}

impl Blocks {
    fn new(kind: &'static BlockType, bytes: Vec<u8>, inputs: usize) -> Self {
        match PackedBlocks::new(kind, &bytes, inputs) {
            Some(packed) => Self::Packed(packed),
            None => Self::Raw { kind, bytes },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu_device;
    use crate::format::gguf::{Gguf, Head};
    use crate::layers::linear::Linear;

    const KINDS: [&str; 11] = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"];
    const FIXTURE: &[u8] = include_bytes!("../../tests/fixtures/blocks.gguf");
    const INPUTS: usize = 256;

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_into_vec().expect("f32")
    }

    /// Numbers from -1 to 1 without a pattern that would hide an exchange of places.
    fn input(rows: usize) -> Tensor<2> {
        let values: Vec<f32> = (0..rows * INPUTS).map(|index| libm::sinf((index * index) as f32 * 0.37)).collect();
        Tensor::from_data(TensorData::new(values, [rows, INPUTS]), &cpu_device())
    }

    #[test]
    fn rows_are_unpacked_to_the_numbers_of_the_python_package() -> Result<(), ModelError> {
        let head = Head::read(&FIXTURE)?;
        let gguf = Gguf::parse(&head)?;
        for kind in KINDS {
            let matrix = BlockMatrix::new(&[gguf.stored(kind, &[2, INPUTS])?], INPUTS, Kernels::Burn)?;
            let expected = gguf.tensor(&format!("{kind}.expected"), &[2, INPUTS])?;
            let (first, second) = expected.split_at(INPUTS);
            let seen = values(matrix.select(&[1, 0, 1], &cpu_device()));
            assert_eq!(seen, [second, first, second].concat(), "{kind}");
        }
        Ok(())
    }

    #[test]
    fn a_tensor_of_several_panels_is_its_rows_in_order() -> Result<(), ModelError> {
        let head = Head::read(&FIXTURE)?;
        let gguf = Gguf::parse(&head)?;
        let tensor = gguf.stored("Q4_1", &[2, INPUTS])?;
        // Rows 0 and 1 again and again, as many as fill a panel and begin another.
        let pairs = PANEL / INPUTS / 2 + 1;
        let bytes = tensor.bytes()?.repeat(pairs);
        let matrix = BlockMatrix::new(&[Stored::of(tensor.kind, &bytes)], INPUTS, Kernels::Burn)?;
        assert_eq!((matrix.panels.len(), matrix.outputs), (2, 2 * pairs));
        let pair = BlockMatrix::new(&[tensor], INPUTS, Kernels::Burn)?;
        assert_eq!(values(matrix.product(input(1))), values(pair.product(input(1))).repeat(pairs));
        let last = 2 * pairs as u32 - 1;
        let seen = values(matrix.select(&[0, last - 2, last - 1, last], &cpu_device()));
        assert_eq!(seen, values(pair.select(&[0, 1, 0, 1], &cpu_device())));
        Ok(())
    }

    /// Each type alone, and all in one matrix, against sums in f64.
    #[test]
    fn products_are_those_of_unpacked_weights() -> Result<(), ModelError> {
        let head = Head::read(&FIXTURE)?;
        let gguf = Gguf::parse(&head)?;
        let mut cases: Vec<Vec<&str>> = KINDS.iter().map(|kind| vec![*kind]).collect();
        cases.push(KINDS.iter().cycle().take(200).copied().collect());
        for kinds in cases {
            let (mut stored, mut weights) = (Vec::new(), Vec::new());
            for kind in &kinds {
                stored.push(gguf.stored(kind, &[2, INPUTS])?);
                weights.extend(gguf.tensor(kind, &[2, INPUTS])?);
            }
            // One row of the last tensor: an odd number of outputs.
            let last = stored.pop().map(|last| Ok::<_, ModelError>((last.kind, last.part(0, last.len() / 2)?)));
            let last = last.transpose()?;
            stored.extend(last.iter().map(|(kind, bytes)| Stored::of(kind, bytes)));
            let outputs = 2 * kinds.len() - 1;
            let bias: Vec<f32> = (0..outputs).map(|output| output as f32 * 0.1 - 3.0).collect();
            let linear = |kernels| Linear::from_blocks(BlockMatrix::new(&stored, INPUTS, kernels).expect("in memory"));
            let biased = |kernels| linear(kernels).with_bias(bias.clone(), &cpu_device());
            let [none, some] = [vec![0.0; outputs], bias.clone()];
            let plain = [(linear(Kernels::Burn), &none), (linear(Kernels::Host), &none)];
            for (linear, bias) in
                plain.into_iter().chain([(biased(Kernels::Burn), &some), (biased(Kernels::Host), &some)])
            {
                for rows in [1, 2, 7] {
                    let y = linear.forward(input(rows));
                    assert_eq!(y.dims(), [rows, outputs]);
                    for (index, seen) in values(y).into_iter().enumerate() {
                        let (row, output) = (index / outputs, index % outputs);
                        let x = values(input(rows));
                        let products = || {
                            let x = x[row * INPUTS..].iter().map(|x| f64::from(*x));
                            weights[output * INPUTS..][..INPUTS].iter().zip(x).map(|(weight, x)| f64::from(*weight) * x)
                        };
                        let expected = products().sum::<f64>() + f64::from(bias[output]);
                        // What rounding a sum of this size may cost, whatever cancels in it.
                        let bound = 1e-6 * products().map(f64::abs).sum::<f64>();
                        let kind = kinds[output / 2];
                        assert!((f64::from(seen) - expected).abs() < bound, "{kind}: {seen} for {expected}");
                    }
                }
            }
        }
        Ok(())
    }
}
