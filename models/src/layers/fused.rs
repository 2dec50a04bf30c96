//! Steps of a model that a GPU has one kernel of our own for; elsewhere they are several of burn's, or, where a model
//! computes with the host's kernels, in [`crate::host`].

use std::cell::OnceCell;

use burn::tensor::activation::{gelu, gelu_approximate, silu, softmax, tanh};
use burn::tensor::module::layer_norm as burn_layer_norm;
use burn::tensor::{DType, Tensor, TensorData, s};
use poq_kernels::Gate;

#[cfg(feature = "webgpu")]
use crate::gpu::{self, Activation, Mean};
use crate::host;

/// Added to the score of a token that must not be seen; finite, as some devices make NaN of infinities.
pub(crate) const HIDDEN: f32 = -1.0e30;

/// Whether kernels of our own compute with a tensor: on a GPU, where the numbers that they read together, `columns`,
/// come in fours.
#[cfg(feature = "webgpu")]
fn is_own<const D: usize>(x: &Tensor<D>, columns: usize) -> bool {
    x.device() != crate::cpu_device() && columns.is_multiple_of(4)
}

/// `x W^T (+ bias)`: `[rows, inputs]` with `[outputs, inputs]`, and `[1, outputs]`, to `[rows, outputs]`. `weight` is
/// f32 or f16, all others are f32.
pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<&Tensor<2>>) -> Tensor<2> {
    #[cfg(feature = "webgpu")]
    if is_own(&x, x.dims()[1]) {
        return gpu::linear(x, weight, bias.cloned(), Activation::None);
    }
    let y = x.cast(weight.dtype()).matmul(weight.transpose()).cast(DType::F32);
    match bias {
        Some(bias) => y + bias.clone(),
        None => y,
    }
}

/// `gelu` of [`linear`].
pub(crate) fn linear_gelu(x: Tensor<2>, weight: Tensor<2>, bias: Option<&Tensor<2>>) -> Tensor<2> {
    #[cfg(feature = "webgpu")]
    if is_own(&x, x.dims()[1]) {
        return gpu::linear(x, weight, bias.cloned(), Activation::Gelu);
    }
    gelu(linear(x, weight, bias))
}

/// Layer normalisation of `[rows, columns]`, with `weight` and `bias` of `[columns]`.
pub(crate) fn layer_norm(x: Tensor<2>, weight: &Tensor<1>, bias: &Tensor<1>, epsilon: f64) -> Tensor<2> {
    #[cfg(feature = "webgpu")]
    if is_own(&x, x.dims()[1]) {
        return gpu::norm(x, weight.clone(), Some(bias.clone()), epsilon, Mean::Subtracted);
    }
    burn_layer_norm(x, weight.clone(), Some(bias.clone()), epsilon)
}

/// Root mean square normalisation of `[rows, columns]`, with `weight` of `[1, columns]`.
pub(crate) fn rms_norm(x: Tensor<2>, weight: &Tensor<2>, epsilon: f64) -> Tensor<2> {
    #[cfg(feature = "webgpu")]
    if is_own(&x, x.dims()[1]) {
        return gpu::norm(x, weight.clone(), None, epsilon, Mean::Kept);
    }
    let mean = x.clone().square().mean_dim(1);
    let scale = mean.add_scalar(epsilon).sqrt().recip();
    x * scale * weight.clone()
}

/// `activation(gate) * up` of `[rows, 2 * columns]`, gates before ups; SwiGLU, with `silu`.
pub(crate) fn gated(both: Tensor<2>, activation: Gate) -> Tensor<2> {
    let columns = both.dims()[1] / 2;
    #[cfg(feature = "webgpu")]
    if activation == Gate::Silu && is_own(&both, columns) {
        return gpu::gated(both);
    }
    let gate = both.clone().slice(s![.., 0..columns]);
    let up = both.slice(s![.., columns..]);
    match activation {
        Gate::Silu => silu(gate) * up,
        Gate::GeluTanh => gelu_approximate(gate) * up,
    }
}

/// Numbers that come no farther from 0 than `cap`: `cap * tanh(x / cap)`.
pub(crate) fn capped<const D: usize>(x: Tensor<D>, cap: Option<f64>) -> Tensor<D> {
    match cap {
        None => x,
        Some(cap) => tanh(x.div_scalar(cap)).mul_scalar(cap),
    }
}

/// [`crate::host::attention`] on any device: `[batch * seq, 3 * hidden]`, `[batch, seq]`, and where something is added
/// to scores `[1 or batch, heads, seq, seq]`, to `[batch * seq, hidden]`.
pub(crate) fn attention(all: Tensor<2>, hidden_scores: Tensor<2>, added: Option<Tensor<4>>, heads: usize) -> Tensor<2> {
    let [[batch, seq], [rows, columns]] = [hidden_scores.dims(), all.dims()];
    let hidden = columns / 3;
    let head_dim = hidden / heads;
    #[cfg(feature = "webgpu")]
    if added.is_none() && is_own(&all, head_dim) {
        return gpu::attention(all, hidden_scores, heads);
    }
    let all = all.reshape([batch, seq, columns]);
    // [batch, heads, seq, head_dim]
    let part = |index: usize| {
        let columns = index * hidden..(index + 1) * hidden;
        all.clone().slice(s![.., .., columns]).reshape([batch, seq, heads, head_dim]).swap_dims(1, 2)
    };
    let query = part(0).mul_scalar(1.0 / (head_dim as f64).sqrt());
    let mut scores = query.matmul(part(1).swap_dims(2, 3));
    if let Some(added) = added {
        scores = scores + added;
    }
    let scores = scores + hidden_scores.reshape([batch, 1, 1, seq]);
    softmax(scores, 3).matmul(part(2)).swap_dims(1, 2).reshape([rows, hidden])
}

/// Where in a text the rows of a pass stand.
pub(crate) struct Positions {
    /// `[seq, 1, head_dim]`
    pub cos: Tensor<3>,
    /// `[seq, 1, head_dim]`
    pub sin: Tensor<3>,
    /// Tokens before the first row.
    pub start: usize,
    /// Tokens that a row looks back at, its own among them; none is all.
    pub window: Option<usize>,
    /// `cos` and `sin` in the host's memory. Put there when they are first asked for.
    on_host: OnceCell<[Vec<f32>; 2]>,
    /// `[1, 1, seq, start + seq]`: 0 where a row may look, hugely negative where not. Made when it is first asked for.
    mask: OnceCell<Tensor<4>>,
}

impl Positions {
    pub(crate) fn new(cos: Tensor<3>, sin: Tensor<3>, start: usize, window: Option<usize>) -> Self {
        Self { cos, sin, start, window, on_host: OnceCell::new(), mask: OnceCell::new() }
    }

    /// Of each row the cosines and sines, `[seq, head_dim]` each.
    pub(crate) fn on_host(&self) -> &[Vec<f32>; 2] {
        self.on_host.get_or_init(|| [&self.cos, &self.sin].map(|table| host::values(table.clone())))
    }

    fn mask(&self) -> Tensor<4> {
        let mask = self.mask.get_or_init(|| {
            let [seq, ..] = self.cos.dims();
            let total = self.start + seq;
            let window = self.window.unwrap_or(total);
            let is_seen = |row: usize, column: usize| column <= row && row - column < window;
            let values = (self.start..total)
                .flat_map(|row| (0..total).map(move |column| if is_seen(row, column) { 0.0 } else { HIDDEN }))
                .collect::<Vec<f32>>();
            Tensor::from_data(TensorData::new(values, [1, 1, seq, total]), &self.cos.device())
        });
        mask.clone()
    }
}

/// The first `heads` of `[seq, all heads, head_dim]`, each pair of numbers turned by its angle: `[seq, heads,
/// head_dim]`. `rotate`, `[head_dim, head_dim]`, takes each number to its partner in its pair.
pub(crate) fn turned(all: Tensor<3>, positions: &Positions, rotate: &Tensor<2>, heads: usize) -> Tensor<3> {
    let [seq, _, head_dim] = all.dims();
    #[cfg(feature = "webgpu")]
    if is_own(&all, head_dim) {
        return gpu::turned(all, positions.cos.clone(), positions.sin.clone(), heads);
    }
    let turning = all.slice(s![.., 0..heads, ..]);
    // The partner of each number in its pair, with its sign: one small product for all heads.
    let partner = turning.clone().reshape([seq * heads, head_dim]).matmul(rotate.clone());
    turning * positions.cos.clone() + partner.reshape([seq, heads, head_dim]) * positions.sin.clone()
}

/// Attention of the queries in the first `heads` of `[seq, turning heads, head_dim]` to the tokens up to themselves,
/// whose keys and values are the first of `[kv_heads, room, head_dim]`: `[seq, heads * head_dim]`. Scores are capped by
/// `cap`.
pub(crate) fn cached_attention(
    turned: Tensor<3>,
    keys: Tensor<3>,
    values: Tensor<3>,
    heads: usize,
    positions: &Positions,
    cap: Option<f64>,
) -> Tensor<2> {
    let [[seq, _, head_dim], [kv_heads, ..]] = [turned.dims(), keys.dims()];
    let (group, total) = (heads / kv_heads, positions.start + seq);
    let is_windowed = positions.window.is_some_and(|window| window < total);
    #[cfg(feature = "webgpu")]
    if !is_windowed && cap.is_none() && is_own(&turned, head_dim) && gpu::has_cached_attention(head_dim) {
        return gpu::cached_attention(turned, keys, values, heads, positions.start);
    }
    // One row needs no mask: what its window leaves out is not read at all.
    let first = positions.window.filter(|_| is_windowed && seq == 1).map_or(0, |window| total - window);
    let filled = |tensor: Tensor<3>| tensor.slice(s![.., first..total, ..]);
    let query = turned.slice(s![.., 0..heads, ..]).mul_scalar(1.0 / (head_dim as f64).sqrt());
    // The query heads of a group share keys and values: they are rows of one product.
    let query = query.swap_dims(0, 1).reshape([kv_heads, group * seq, head_dim]);
    let scores = capped(query.matmul(filled(keys).swap_dims(1, 2)), cap);
    let weights = match seq {
        1 => softmax(scores, 2),
        _ => {
            let scores = scores.reshape([kv_heads, group, seq, total]) + positions.mask();
            softmax(scores, 3).reshape([kv_heads, group * seq, total])
        }
    };
    // [kv_heads, group * seq, head_dim] to [seq, heads * head_dim]
    let mixed = weights.matmul(filled(values)).reshape([heads, seq, head_dim]).swap_dims(0, 1);
    mixed.reshape([seq, heads * head_dim])
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    #[cfg(feature = "webgpu")]
    use crate::devices::GPU;
    use crate::devices::devices;
    use crate::host::Texts;

    fn numbers(count: usize, seed: f64) -> Vec<f64> {
        (0..count).map(|index| f64::from(libm::sin(index as f64 * (0.37 + seed)) as f32)).collect()
    }

    fn tensor<const D: usize>(values: &[f64], shape: [usize; D], device: &Device) -> Tensor<D> {
        let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// Within `bound`, or so much of what is expected where that is more.
    fn assert_near<const D: usize>(seen: Tensor<D>, shape: [usize; D], expected: &[f64], bound: f64, place: &str) {
        assert_eq!(seen.dims(), shape, "{place}");
        let seen: Vec<f32> = seen.into_data().try_into_vec().expect("numbers");
        assert_eq!(seen.len(), expected.len(), "{place}");
        for (index, (seen, expected)) in seen.into_iter().zip(expected).enumerate() {
            let bound = bound * (1.0 + expected.abs());
            assert!((f64::from(seen) - expected).abs() < bound, "{place}, at {index}: {seen} for {expected}");
        }
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    fn gelu_of(x: f64) -> f64 {
        0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2))
    }

    #[test]
    fn linear_layers_of_all_shapes() {
        for device in devices() {
            for (rows, outputs, inputs) in [
                (1, 1, 4),
                (1, 13, 64),
                (1, 70, 52),
                (2, 3, 8),
                (5, 31, 33),
                (7, 9, 40),
                (32, 32, 32),
                (66, 35, 100),
                (1, 1536, 576),
                (3, 100, 1536),
            ] {
                let (x, weight) = (numbers(rows * inputs, 0.0), numbers(outputs * inputs, 0.1));
                let bias = numbers(outputs, 0.2);
                let expected: Vec<f64> = x
                    .chunks(inputs)
                    .flat_map(|row| weight.chunks(inputs).map(|weight| dot(row, weight)).collect::<Vec<_>>())
                    .collect();
                let biased: Vec<f64> =
                    expected.iter().enumerate().map(|(index, sum)| sum + bias[index % outputs]).collect();
                let activated: Vec<f64> = biased.iter().copied().map(gelu_of).collect();
                let place = format!("{device:?}, [{rows}, {inputs}] to {outputs}");
                let x = || tensor(&x, [rows, inputs], &device);
                let rows_of = || tensor(&weight, [outputs, inputs], &device);
                let bias = tensor(&bias, [1, outputs], &device);
                let shape = [rows, outputs];
                assert_near(linear(x(), rows_of(), None), shape, &expected, 1e-4, &place);
                assert_near(linear(x(), rows_of(), Some(&bias)), shape, &biased, 1e-4, &place);
                assert_near(linear_gelu(x(), rows_of(), Some(&bias)), shape, &activated, 1e-4, &place);
                let plain: Vec<f64> = expected.iter().copied().map(gelu_of).collect();
                assert_near(linear_gelu(x(), rows_of(), None), shape, &plain, 1e-4, &place);
                // A row of a larger tensor, of which the kernels want a copy.
                let last = x().narrow(0, rows - 1, 1);
                assert_near(
                    linear(last, rows_of(), None),
                    [1, outputs],
                    &expected[(rows - 1) * outputs..],
                    1e-4,
                    &place,
                );
            }
        }
    }

    /// Sums of weights in half precision are f32: they equal those of the same weights in f64.
    #[cfg(feature = "webgpu")]
    #[test]
    fn linear_layers_in_half_precision() {
        assert!(
            GPU.has_half,
            "{} does not compute in half precision; tests of this feature want a GPU that does",
            GPU.name
        );
        for (rows, outputs, inputs) in [(1, 1, 4), (1, 70, 52), (2, 3, 8), (7, 9, 40), (66, 35, 576)] {
            let x = numbers(rows * inputs, 0.0);
            let weight: Vec<f64> =
                numbers(outputs * inputs, 0.1).iter().map(|value| half::f16::from_f64(*value).to_f64()).collect();
            let expected: Vec<f64> = x
                .chunks(inputs)
                .flat_map(|row| weight.chunks(inputs).map(|weight| dot(row, weight)).collect::<Vec<_>>())
                .collect();
            let place = format!("[{rows}, {inputs}] to {outputs}");
            let halves = tensor(&weight, [outputs, inputs], &GPU.device).cast(DType::F16);
            let seen = linear(tensor(&x, [rows, inputs], &GPU.device), halves, None);
            assert_near(seen, [rows, outputs], &expected, 1e-4, &place);
        }
    }

    #[test]
    fn normalisations_of_rows() {
        for device in devices() {
            for (rows, columns) in [(1, 4), (3, 36), (9, 384), (2, 30)] {
                let x: Vec<f64> = numbers(rows * columns, 0.3).iter().map(|value| value * 3.0 + 1.0).collect();
                let (weight, bias) = (numbers(columns, 0.1), numbers(columns, 0.2));
                let normal = |is_centred: bool| {
                    let mut y = Vec::new();
                    for row in x.chunks(columns) {
                        let mean = if is_centred { row.iter().sum::<f64>() / columns as f64 } else { 0.0 };
                        let centred: Vec<f64> = row.iter().map(|value| value - mean).collect();
                        let scale = 1.0 / libm::sqrt(dot(&centred, &centred) / columns as f64 + 1e-5);
                        for (index, value) in centred.iter().enumerate() {
                            y.push(value * scale * weight[index] + if is_centred { bias[index] } else { 0.0 });
                        }
                    }
                    y
                };
                let place = format!("{device:?}, [{rows}, {columns}]");
                let (x, shape) = (|| tensor(&x, [rows, columns], &device), [rows, columns]);
                let (weights, biases) = (tensor(&weight, [columns], &device), tensor(&bias, [columns], &device));
                assert_near(layer_norm(x(), &weights, &biases, 1e-5), shape, &normal(true), 1e-5, &place);
                let weights = tensor(&weight, [1, columns], &device);
                assert_near(rms_norm(x(), &weights, 1e-5), shape, &normal(false), 1e-5, &place);
            }
        }
    }

    #[test]
    fn gates_let_through() {
        for device in devices() {
            for (rows, columns) in [(1, 4), (3, 20), (7, 192), (2, 6)] {
                let mut both: Vec<f64> = numbers(rows * columns * 2, 0.4).iter().map(|value| value * 5.0).collect();
                // Gates that are wide open, and shut so tight that `exp` of their negative is infinite in f32.
                (both[0], both[1]) = (120.0, -120.0);
                let expected: Vec<f64> = both
                    .chunks(2 * columns)
                    .flat_map(|row| {
                        let (gates, ups) = row.split_at(columns);
                        gates.iter().zip(ups).map(|(gate, up)| gate / (1.0 + libm::exp(-gate)) * up).collect::<Vec<_>>()
                    })
                    .collect();
                let seen = gated(tensor(&both, [rows, 2 * columns], &device), Gate::Silu);
                assert_near(seen, [rows, columns], &expected, 1e-5, &format!("{device:?}, [{rows}, {columns}]"));
            }
        }
    }

    /// Beside the host's kernel, which its own crate tests against sums in f64.
    #[test]
    fn attention_of_texts_of_several_lengths() {
        for device in devices() {
            for (batch, seq, heads, head_dim) in [(1, 1, 1, 4), (2, 5, 3, 8), (3, 70, 2, 32), (2, 4, 2, 6)] {
                let hidden = heads * head_dim;
                let all: Vec<f64> = numbers(batch * seq * 3 * hidden, 0.1).iter().map(|value| value * 3.0).collect();
                // Each text but the first ends earlier.
                let hidden_scores: Vec<f64> = (0..batch * seq)
                    .map(|index| if index % seq >= seq - (index / seq).min(seq - 1) { -1.0e30 } else { 0.0 })
                    .collect();
                let single = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<f32>>();
                // Nothing is added to scores, or the same for all texts, or something for each.
                for texts in [0, 1, batch] {
                    let added = numbers(texts * heads * seq * seq, 0.7);
                    let for_host = (texts > 0).then(|| single(&added));
                    let host_texts = Texts::new(std::iter::repeat_n(seq, batch), seq, single(&hidden_scores));
                    let expected = host::attention(&single(&all), &host_texts, for_host.as_deref(), heads);
                    let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
                    let all = tensor(&all, [batch * seq, 3 * hidden], &device);
                    let added = (texts > 0).then(|| tensor(&added, [texts, heads, seq, seq], &device));
                    let seen = attention(all, tensor(&hidden_scores, [batch, seq], &device), added, heads);
                    let place = format!("{device:?}, {batch} texts of {seq}, {heads} heads of {head_dim}, {texts}");
                    assert_near(seen, [batch * seq, hidden], &expected, 1e-4, &place);
                }
            }
        }
    }

    /// A number of a head, turned: numbers 2i and 2i + 1 are a pair.
    fn turned_number(head: &[f64], cos: &[f64], sin: &[f64], index: usize) -> f64 {
        let partner = if index.is_multiple_of(2) { -head[index + 1] } else { head[index - 1] };
        head[index] * cos[index] + partner * sin[index]
    }

    #[test]
    fn text_after_text_attends_to_what_is_before_it() {
        for device in devices() {
            for (start, seq, heads, kv_heads, head_dim) in [
                (0, 1, 1, 1, 4),
                (0, 7, 4, 2, 8),
                (37, 1, 9, 3, 64),
                (30, 5, 6, 2, 16),
                (3, 2, 2, 1, 6),
                (5, 1, 4, 4, 100),
                (300, 2, 2, 1, 128),
                (2, 3, 2, 1, 256),
            ] {
                let (all_heads, room) = (heads + 2 * kv_heads, start + seq + 3);
                let all = numbers(seq * all_heads * head_dim, 0.05);
                let (cos, sin) = (numbers(seq * head_dim, 0.2), numbers(seq * head_dim, 0.6));
                let (keys, values) =
                    (numbers(kv_heads * room * head_dim, 0.4), numbers(kv_heads * room * head_dim, 0.7));
                let turning = heads + kv_heads;
                let mut expected_turned = Vec::new();
                let mut expected = Vec::new();
                for row in 0..seq {
                    let of_row = |values: &[f64]| values[row * head_dim..][..head_dim].to_vec();
                    let (cos, sin) = (of_row(&cos), of_row(&sin));
                    for head in 0..turning {
                        let x = &all[(row * all_heads + head) * head_dim..][..head_dim];
                        let turned: Vec<f64> = (0..head_dim).map(|index| turned_number(x, &cos, &sin, index)).collect();
                        expected_turned.extend_from_slice(&turned);
                        if head >= heads {
                            continue;
                        }
                        let shared = head / (heads / kv_heads);
                        let of = |values: &[f64], token: usize| {
                            values[(shared * room + token) * head_dim..][..head_dim].to_vec()
                        };
                        let scores: Vec<f64> = (0..=start + row)
                            .map(|token| libm::exp(dot(&turned, &of(&keys, token)) / libm::sqrt(head_dim as f64)))
                            .collect();
                        let sum: f64 = scores.iter().sum();
                        for index in 0..head_dim {
                            let weighted =
                                scores.iter().enumerate().map(|(token, score)| score * of(&values, token)[index]);
                            expected.push(weighted.sum::<f64>() / sum);
                        }
                    }
                }
                let place = format!("{device:?}, {seq} after {start}, {heads} heads and {kv_heads} of {head_dim}");
                let [cos, sin] = [&cos, &sin].map(|table| tensor(table, [seq, 1, head_dim], &device));
                let positions = Positions::new(cos, sin, start, None);
                let mut rotation = vec![0.0; head_dim * head_dim];
                for pair in (0..head_dim).step_by(2) {
                    rotation[(pair + 1) * head_dim + pair] = -1.0;
                    rotation[pair * head_dim + pair + 1] = 1.0;
                }
                let rotation = tensor(&rotation, [head_dim, head_dim], &device);
                let all = tensor(&all, [seq, all_heads, head_dim], &device);
                let seen = turned(all, &positions, &rotation, turning);
                assert_near(seen.clone(), [seq, turning, head_dim], &expected_turned, 1e-5, &place);
                let cache = |values: &[f64]| tensor(values, [kv_heads, room, head_dim], &device);
                let mixed = cached_attention(seen, cache(&keys), cache(&values), heads, &positions, None);
                assert_near(mixed, [seq, heads * head_dim], &expected, 1e-4, &place);
            }
        }
    }
}
