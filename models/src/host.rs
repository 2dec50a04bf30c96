//! When to compute on the host's memory with `poq_kernels`, and the way there from burn's tensors: burn's product packs
//! all weights anew each time, and in a page there is one thread.

use burn::tensor::{Device, Tensor, TensorData};
use poq_kernels::{Gate, KeysValues, Look};

use crate::layers::fused::Positions;
use crate::layers::norm::RmsNorm;
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

/// `[rows, columns]`, after `function` has changed each row, on the CPU device.
pub(crate) fn with_rows(x: Tensor<2>, function: impl Fn(&mut [f32]) + Sync + Send) -> Tensor<2> {
    let [rows, columns] = x.dims();
    let mut values = values(x);
    parallel::each_row(&mut values, columns, |_, row| function(row));
    tensor(values, [rows, columns])
}

/// Texts of a batch, one after another without what fills them up to one length.
pub(crate) struct Texts {
    /// Rows of each.
    lengths: Vec<usize>,
    /// Rows of each with what fills it up.
    seq: usize,
    /// What is added to the scores of each row for all to see it, `[batch, seq]`.
    hidden_scores: Vec<f32>,
}

impl Texts {
    /// `lengths` may count some of what fills texts up; none is above `seq`.
    pub(crate) fn new(lengths: impl Iterator<Item = usize>, seq: usize, hidden_scores: Vec<f32>) -> Self {
        Self { lengths: lengths.collect(), seq, hidden_scores }
    }

    /// `[batch * seq, columns]` to the rows of all texts.
    pub(crate) fn without_filling(&self, x: Vec<f32>, columns: usize) -> Vec<f32> {
        if self.lengths.iter().all(|length| *length == self.seq) {
            return x;
        }
        let texts = self.lengths.iter().zip(x.chunks_exact(self.seq * columns));
        texts.flat_map(|(length, text)| &text[..length * columns]).copied().collect()
    }

    /// Back from there, with zeros for what fills texts up.
    pub(crate) fn with_filling(&self, x: Vec<f32>, columns: usize) -> Vec<f32> {
        if self.lengths.iter().all(|length| *length == self.seq) {
            return x;
        }
        let mut filled = vec![0.0; self.lengths.len() * self.seq * columns];
        let mut rest = x.as_slice();
        for (length, text) in self.lengths.iter().zip(filled.chunks_exact_mut(self.seq * columns)) {
            let own = rest.split_off(..length * columns).expect("rows of all texts");
            text[..own.len()].copy_from_slice(own);
        }
        filled
    }
}

/// Scaled dot-product attention within each text, head by head.
///
/// `all` holds query, key and value of each row one after another, `[rows of texts, 3 * hidden]`; `added` what is added
/// to the scores of each row for each to see it, `[batch, heads, seq, seq]`, or without the first for all texts alike,
/// for texts that are filled up. Gives `[rows of texts, hidden]`.
pub(crate) fn attention(all: &[f32], texts: &Texts, added: Option<&[f32]>, heads: usize) -> Vec<f32> {
    let seq = texts.seq;
    let hidden = all.len() / texts.lengths.iter().sum::<usize>() / 3;
    let mut places = Vec::new();
    let mut first = 0;
    for (text, &length) in texts.lengths.iter().enumerate() {
        places.extend((0..heads).map(|head| (text, first..first + length, head)));
        first += length;
    }
    let of_places = parallel::map(&places, |(text, rows, head)| {
        let added = added.map(|added| &added[(text * heads + head) * seq * seq % added.len()..][..seq * seq]);
        let all = &all[rows.start * 3 * hidden..rows.end * 3 * hidden];
        poq_kernels::attend(all, &texts.hidden_scores[text * seq..][..rows.len()], added, heads, *head)
    });
    let mut mixed = vec![0.0; all.len() / 3];
    for ((_, rows, head), of_head) in places.iter().zip(&of_places) {
        let mixed = &mut mixed[rows.start * hidden..rows.end * hidden];
        put_columns(mixed, rows.len(), head * hidden / heads, of_head);
    }
    mixed
}

/// [`crate::layers::fused::gated`] on the CPU device.
pub(crate) fn gated(both: Tensor<2>, activation: Gate) -> Tensor<2> {
    let [rows, columns] = both.dims();
    let both = values(both);
    let mut y = vec![0.0; both.len() / 2];
    parallel::each_row(&mut y, columns / 2, |row, y| {
        poq_kernels::gated(&both[row * columns..][..columns], activation, y);
    });
    tensor(y, [rows, columns / 2])
}

/// Heads of queries, of which some share keys and values.
#[derive(Clone, Copy)]
pub(crate) struct HeadShape {
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
}

/// Rows whose attention is computed at a time: bounds the weights in memory.
const ATTENDED_TOGETHER: usize = 64;

/// Rows that are worth packing keys and values for.
const MIN_PACKED: usize = 8;

/// Attention of rows to themselves and to those in the cache, which they join: `[seq, (heads + 2 * kv_heads) *
/// head_dim]`, of each row queries, keys and values, to `[seq, heads * head_dim]`. Queries and keys are normalised by
/// `norms`, head by head, and turned by their positions.
pub(crate) fn cached_attention(
    all: Tensor<2>,
    HeadShape { heads, kv_heads, head_dim }: HeadShape,
    norms: Option<&[RmsNorm; 2]>,
    positions: &Positions,
    cap: Option<f64>,
    cache: &mut [KeysValues],
) -> Tensor<2> {
    let [seq, columns] = all.dims();
    let mut all = values(all);
    let [cos, sin] = positions.on_host();
    parallel::each_row(&mut all, columns, |row, all| {
        let place = row * head_dim..(row + 1) * head_dim;
        for (index, head) in all.chunks_exact_mut(head_dim).take(heads + kv_heads).enumerate() {
            if let Some([of_query, of_key]) = norms {
                if index < heads { of_query } else { of_key }.normalise(head);
            }
            poq_kernels::turn(head, &cos[place.clone()], &sin[place.clone()]);
        }
    });
    for row in all.chunks_exact(columns) {
        let (keys, values) = row[heads * head_dim..].split_at(kv_heads * head_dim);
        let rows = keys.chunks_exact(head_dim).zip(values.chunks_exact(head_dim));
        cache.iter_mut().zip(rows).for_each(|(cache, (key, value))| cache.push(key, value));
    }
    let first = positions.start;
    // Otherwise rows would see others than those before them.
    assert!(cache.iter().all(|cache| cache.rows() == first + seq), "the cache holds what was read before");
    let look = Look { scale: 1.0 / (head_dim as f32).sqrt(), cap: cap.map(|cap| cap as f32), window: positions.window };
    let group = heads / kv_heads;
    if seq < MIN_PACKED {
        let places: Vec<(usize, usize)> = (0..seq).flat_map(|row| (0..heads).map(move |head| (row, head))).collect();
        let cache = &*cache;
        let of_places = parallel::map(&places, |&(row, head)| {
            let query = &all[row * columns + head * head_dim..][..head_dim];
            cache[head / group].attend(query, first + row, look)
        });
        return tensor(of_places.concat(), [seq, heads * head_dim]);
    }
    let packed = parallel::map(cache, |cache| cache.packed(first, look));
    let starts = (0..seq).step_by(ATTENDED_TOGETHER);
    let places: Vec<(usize, usize)> = starts.flat_map(|start| (0..heads).map(move |head| (start, head))).collect();
    let of_places = parallel::map(&places, |&(start, head)| {
        let count = ATTENDED_TOGETHER.min(seq - start);
        let queries = &all[start * columns + head * head_dim..];
        packed[head / group].attend(queries, columns, first + start, count)
    });
    let mut mixed = vec![0.0; seq * heads * head_dim];
    for (&(start, head), of_place) in places.iter().zip(&of_places) {
        let rows = of_place.len() / head_dim;
        let mixed = &mut mixed[start * heads * head_dim..][..rows * heads * head_dim];
        put_columns(mixed, rows, head * head_dim, of_place);
    }
    tensor(mixed, [seq, heads * head_dim])
}

/// Puts columns of a matrix of `rows` rows in their place, from column `first` on; gives the column after them.
pub(crate) fn put_columns(matrix: &mut [f32], rows: usize, first: usize, columns: &[f32]) -> usize {
    let (width, stride) = (columns.len() / rows, matrix.len() / rows);
    for (row, columns) in matrix.chunks_exact_mut(stride).zip(columns.chunks_exact(width)) {
        row[first..][..width].copy_from_slice(columns);
    }
    first + width
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::fused;
    use crate::layers::kv_cache::LayerCache;
    use crate::layers::rotary::{Rotary, rotation};

    /// Of texts of three lengths, one of them filled up by one row that nobody sees.
    #[test]
    fn texts_of_a_batch_attend_to_themselves() {
        let (heads, hidden, seq) = (2, 6, 5);
        let lengths = [4, 1, 5];
        let numbers = |count: usize| (0..count).map(|index| libm::sinf((index * index) as f32 * 0.37)).collect();
        let filled: Vec<f32> = numbers(lengths.len() * seq * 3 * hidden);
        let mut hidden_scores = vec![0.0; lengths.len() * seq];
        hidden_scores[3] = fused::HIDDEN;
        let texts = Texts::new(lengths.into_iter(), seq, hidden_scores);
        let all = texts.without_filling(filled.clone(), 3 * hidden);
        assert_eq!(all.len(), 10 * 3 * hidden);
        let seen = texts.with_filling(attention(&all, &texts, None, heads), hidden);
        for (text, (length, seen)) in [3, 1, 5].into_iter().zip(seen.chunks_exact(seq * hidden)).enumerate() {
            let own = filled[text * seq * 3 * hidden..][..length * 3 * hidden].to_vec();
            let alone = Texts::new([length].into_iter(), length, vec![0.0; length]);
            let expected = attention(&own, &alone, None, heads);
            for (seen, expected) in seen.iter().zip(&expected) {
                assert!((seen - expected).abs() < 1e-6, "text {text}: {seen} for {expected}");
            }
            assert!(seen[lengths[text] * hidden..].iter().all(|filling| *filling == 0.0));
        }
    }

    const SHAPE: HeadShape = HeadShape { heads: 6, kv_heads: 2, head_dim: 8 };

    /// In parts of one row, of few, and of more than are computed at a time, against burn's steps: with a window and a
    /// cap and without, and again after the cache forgot rows.
    #[test]
    fn cached_attention_is_that_of_burn() {
        let HeadShape { heads, kv_heads, head_dim } = SHAPE;
        let columns = (heads + 2 * kv_heads) * head_dim;
        let device = crate::cpu_device();
        let rotary = Rotary::new(100.0, &[1.0; 4], 1.0);
        let mut compared = 0;
        for (window, cap) in [(None, None), (Some(20), None), (None, Some(3.0)), (Some(100), Some(3.0))] {
            let cache = |kernels| LayerCache::new(kv_heads, head_dim, kernels, &device);
            let (mut of_burn, mut of_host) = (cache(Kernels::Burn), cache(Kernels::Host));
            let mut length = 0;
            for (rows, kept) in [(3, 3), (1, 4), (150, 154), (7, 161), (MIN_PACKED, 100), (70, 170), (1, 171)] {
                let positions = rotary.positions(length, rows, window, &device);
                let numbers = (0..rows * columns).map(|index| libm::sinf((index * index + length) as f32 * 0.37) * 3.0);
                let all = tensor(numbers.collect(), [rows, columns]);
                let split = all.clone().reshape([rows, heads + 2 * kv_heads, head_dim]);
                let turned = fused::turned(split.clone(), &positions, &rotation(head_dim, &device), heads + kv_heads);
                let (LayerCache::Device(on_device), LayerCache::Host(on_host)) = (&mut of_burn, &mut of_host) else {
                    panic!("caches are where their kernels are");
                };
                let (keys, values) = on_device.append(
                    turned.clone().narrow(1, heads, kv_heads).swap_dims(0, 1),
                    split.narrow(1, heads + kv_heads, kv_heads).swap_dims(0, 1),
                );
                let expected = fused::cached_attention(turned, keys, values, heads, &positions, cap);
                let seen = cached_attention(all, SHAPE, None, &positions, cap, on_host);
                assert_eq!(seen.dims(), [rows, heads * head_dim]);
                for (seen, expected) in super::values(seen).into_iter().zip(super::values(expected)) {
                    let place = format!("{rows} after {length}, {window:?}, {cap:?}");
                    assert!((seen - expected).abs() < 1e-5, "{place}: {seen} for {expected}");
                    compared += 1;
                }
                length = kept;
                of_burn.truncate(kept);
                of_host.truncate(kept);
            }
        }
        assert_eq!(compared, 4 * (3 + 1 + 150 + 7 + MIN_PACKED + 70 + 1) * heads * head_dim);
    }
}
