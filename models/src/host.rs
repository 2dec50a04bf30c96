//! When to compute on the host's memory with `poq_kernels`, and the way there from burn's tensors: burn's product packs
//! all weights anew each time, and in a page there is one thread.

use burn::tensor::{Device, Tensor, TensorData};

use crate::parallel;

/// Whose arithmetic a model computes with. Results differ by rounding alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernels {
    /// burn's, on any device; on a GPU, our own where there are any.
    Burn,
    /// The same, with weights in half precision; what is between products is f32. For a GPU whose shaders know half
    /// precision.
    Half,
    /// Those of `poq_kernels`, for the CPU device alone.
    Host,
}

impl Kernels {
    /// The faster ones on `device`.
    pub fn fastest(device: &Device) -> Self {
        let is_host_faster = cfg!(target_family = "wasm") || poq_kernels::has_vectors_of_eight();
        if is_host_faster && *device == crate::cpu_device() { Self::Host } else { Self::Burn }
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

/// Scaled dot-product attention of a batch of texts, head by head.
///
/// `all` holds query, key and value of each row one after another, `[batch * seq, 3 * hidden]`; `hidden_scores` what
/// is added to the scores of each row for all to see it, `[batch, seq]`; `added` what is added to those of each row for
/// each to see it, `[batch, heads, seq, seq]`, or without the first for all texts alike. Gives `[batch * seq, hidden]`.
pub(crate) fn attention(
    all: &[f32],
    hidden_scores: &[f32],
    added: Option<&[f32]>,
    seq: usize,
    heads: usize,
) -> Vec<f32> {
    let hidden = all.len() / hidden_scores.len() / 3;
    let places: Vec<(usize, usize)> =
        (0..hidden_scores.len() / seq).flat_map(|text| (0..heads).map(move |head| (text, head))).collect();
    let of_places = parallel::map(&places, |&(text, head)| {
        let added = added.map(|added| &added[(text * heads + head) * seq * seq % added.len()..][..seq * seq]);
        let all = &all[text * seq * 3 * hidden..][..seq * 3 * hidden];
        poq_kernels::attend(all, &hidden_scores[text * seq..][..seq], added, heads, head)
    });
    let mut mixed = vec![0.0; hidden_scores.len() * hidden];
    for (&(text, head), of_head) in places.iter().zip(&of_places) {
        put_columns(&mut mixed[text * seq * hidden..][..seq * hidden], seq, head * hidden / heads, of_head);
    }
    mixed
}

/// Puts columns of a matrix of `rows` rows in their place, from column `first` on; gives the column after them.
pub(crate) fn put_columns(matrix: &mut [f32], rows: usize, first: usize, columns: &[f32]) -> usize {
    let (width, stride) = (columns.len() / rows, matrix.len() / rows);
    for (row, columns) in matrix.chunks_exact_mut(stride).zip(columns.chunks_exact(width)) {
        row[first..][..width].copy_from_slice(columns);
    }
    first + width
}
