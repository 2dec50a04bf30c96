//! The kernels as functions of tensors.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, ExtensionType, backend_extension};
use burn::tensor::{DType, Shape, Tensor};
use burn_cubecl::Cube;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use half::f16;

use super::kernels::{self, Activation, MAX_HEAD_FOURS, Mean, READERS, SIDE, TEAM, TEAMS, TILE};

/// Units of a cube whose units work alone.
const UNITS: u32 = 64;

/// What is added to each row, if anything. Not an `Option`, which `backend_extension` would take for a plain value.
#[derive(ExtensionType)]
pub(crate) enum Bias<B: Backend> {
    Some(FloatTensor<B>),
    None,
}

impl<B: Backend> Bias<B> {
    fn of(bias: Option<FloatTensor<B>>) -> Self {
        bias.map_or(Self::None, Self::Some)
    }
}

/// Operations of our own on tensors of a GPU.
#[backend_extension(Cube)]
pub(crate) trait GpuBackend: Backend {
    fn own_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Bias<Self>,
        activation: Activation,
    ) -> FloatTensor<Self>;
    fn own_attention(all: FloatTensor<Self>, hidden_scores: FloatTensor<Self>, heads: usize) -> FloatTensor<Self>;
    fn own_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Bias<Self>,
        epsilon: f64,
        mean: Mean,
    ) -> FloatTensor<Self>;
    fn own_gated(both: FloatTensor<Self>) -> FloatTensor<Self>;
    fn own_turned(
        all: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self>;
    fn own_cached_attention(
        turned: FloatTensor<Self>,
        keys: FloatTensor<Self>,
        values: FloatTensor<Self>,
        heads: usize,
        start: usize,
    ) -> FloatTensor<Self>;
}

/// `activation` of `x W^T (+ bias)`: `[rows, inputs]` with `[outputs, inputs]`, and `[1, outputs]`, to `[rows, outputs]`. All
/// are on the GPU, weights as f32 or f16, the rest f32; inputs are a multiple of four.
pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<2>>, activation: Activation) -> Tensor<2> {
    let bias = Bias::of(bias.map(Tensor::into_dispatch));
    Tensor::from_dispatch(Dispatch::own_linear(x.into_dispatch(), weight.into_dispatch(), bias, activation))
}

/// [`crate::host::attention`] on the GPU; numbers of a head are a multiple of four.
pub(crate) fn attention(all: Tensor<2>, hidden_scores: Tensor<2>, heads: usize) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::own_attention(all.into_dispatch(), hidden_scores.into_dispatch(), heads))
}

/// Normalisation of rows, with `weight` and `bias` of a number for each column; columns are a multiple of four.
pub(crate) fn norm<const D: usize>(
    x: Tensor<2>,
    weight: Tensor<D>,
    bias: Option<Tensor<D>>,
    epsilon: f64,
    mean: Mean,
) -> Tensor<2> {
    let bias = Bias::of(bias.map(Tensor::into_dispatch));
    Tensor::from_dispatch(Dispatch::own_norm(x.into_dispatch(), weight.into_dispatch(), bias, epsilon, mean))
}

/// `silu(gate) * up` of `[rows, 2 * columns]`, gates before ups; columns are a multiple of four.
pub(crate) fn gated(both: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::own_gated(both.into_dispatch()))
}

/// The first `heads` of `[seq, all heads, head_dim]`, with each pair of numbers turned by its angle, of which `cos` and
/// `sin` are
/// `[seq, 1, head_dim]`: `[seq, heads, head_dim]`. Numbers of a head are a multiple of four.
pub(crate) fn turned(all: Tensor<3>, cos: Tensor<3>, sin: Tensor<3>, heads: usize) -> Tensor<3> {
    let (all, cos, sin) = (all.into_dispatch(), cos.into_dispatch(), sin.into_dispatch());
    Tensor::from_dispatch(Dispatch::own_turned(all, cos, sin, heads))
}

/// Whether [`cached_attention`] computes with heads of this many numbers.
pub(crate) fn has_cached_attention(head_dim: usize) -> bool {
    head_dim.is_multiple_of(4) && head_dim / 4 <= MAX_HEAD_FOURS as usize
}

/// Attention of the queries in the first `heads` of `[seq, turning heads, head_dim]`, tokens `start` and on, to the
/// tokens up to themselves, whose keys and values are the first of `[kv_heads, room, head_dim]`: `[seq, heads *
/// head_dim]`.
pub(crate) fn cached_attention(
    turned: Tensor<3>,
    keys: Tensor<3>,
    values: Tensor<3>,
    heads: usize,
    start: usize,
) -> Tensor<2> {
    let (turned, keys, values) = (turned.into_dispatch(), keys.into_dispatch(), values.into_dispatch());
    Tensor::from_dispatch(Dispatch::own_cached_attention(turned, keys, values, heads, start))
}

impl GpuBackend for Cube {
    fn own_linear(x: CubeTensor, weight: CubeTensor, bias: Bias<Self>, activation: Activation) -> CubeTensor {
        let (x, weight) = (into_contiguous(x), into_contiguous(weight));
        let [[rows, inputs], [outputs, weight_inputs]] = [dims(&x), dims(&weight)];
        let is_half = weight.dtype == DType::F16;
        assert!(x.dtype == DType::F32 && (is_half || weight.dtype == DType::F32), "{:?}, {:?}", x.dtype, weight.dtype);
        assert!(inputs == weight_inputs && inputs.is_multiple_of(4), "{inputs} inputs, {weight_inputs} of the weights");
        let y = empty(&x, [rows, outputs]);
        let client = x.client.clone();
        let bias = buffer(bias, outputs).into();
        let (x, weight, out) = (x.into_buffer_arg(), weight.into_buffer_arg(), y.clone().into_buffer_arg());
        let fours = inputs / 4;
        // SAFETY: the kernels stay within `rows`, `outputs` and `inputs`, which are those of all tensors, as asserted.
        #[allow(unsafe_code)]
        unsafe {
            if rows == 1 {
                let (count, dim) = teams(outputs.div_ceil(TILE));
                let launch = match is_half {
                    true => kernels::row_linear::launch_unchecked::<f16>,
                    false => kernels::row_linear::launch_unchecked::<f32>,
                };
                launch(&client, count, dim, x, weight, bias, out, outputs, fours, activation);
            } else {
                let count = CubeCount::Static(outputs.div_ceil(SIDE * TILE), rows.div_ceil(SIDE * TILE), 1);
                let launch = match is_half {
                    true => kernels::linear::launch_unchecked::<f16>,
                    false => kernels::linear::launch_unchecked::<f32>,
                };
                let dim = CubeDim::new_2d(SIDE, SIDE);
                launch(&client, count, dim, x, weight, bias, out, rows, outputs, fours, activation);
            }
        }
        y
    }

    fn own_attention(all: CubeTensor, hidden_scores: CubeTensor, heads: usize) -> CubeTensor {
        let (all, hidden_scores) = (into_contiguous(all), into_contiguous(hidden_scores));
        let [[rows, columns], [_, seq]] = [dims(&all), dims(&hidden_scores)];
        let (heads, hidden) = (heads as u32, columns / 3);
        let head_dim = hidden / heads;
        assert_f32([&all, &hidden_scores]);
        assert!(3 * heads * head_dim == columns && head_dim.is_multiple_of(4), "{columns} for {heads} heads");
        assert!(hidden_scores.meta.shape().num_elements() == rows as usize, "{rows} rows in texts of {seq}");
        let mixed = empty(&all, [rows, hidden]);
        // SAFETY: the kernel stays within `rows`, `columns` and texts of `seq`, which are those of both tensors, as
        // asserted.
        #[allow(unsafe_code)]
        unsafe {
            kernels::attention::launch_unchecked(
                &all.client.clone(),
                CubeCount::Static(rows.div_ceil(UNITS), heads, 1),
                CubeDim::new_1d(UNITS),
                all.into_buffer_arg(),
                hidden_scores.into_buffer_arg(),
                mixed.clone().into_buffer_arg(),
                rows,
                seq,
                heads,
                1.0 / (head_dim as f32).sqrt(),
                head_dim / 4,
            );
        }
        mixed
    }

    fn own_norm(x: CubeTensor, weight: CubeTensor, bias: Bias<Self>, epsilon: f64, mean: Mean) -> CubeTensor {
        let (x, weight) = (into_contiguous(x), into_contiguous(weight));
        let [rows, columns] = dims(&x);
        assert_f32([&x, &weight]);
        assert!(columns.is_multiple_of(4), "{columns} columns");
        assert!(weight.meta.shape().num_elements() == columns as usize, "{columns} columns and other weights");
        let y = empty(&x, [rows, columns]);
        let (count, dim) = teams(rows);
        // SAFETY: the kernel stays within `rows` and `columns`, which are those of all tensors, as asserted.
        #[allow(unsafe_code)]
        unsafe {
            kernels::norm::launch_unchecked(
                &x.client.clone(),
                count,
                dim,
                x.into_buffer_arg(),
                weight.into_buffer_arg(),
                buffer(bias, columns).into(),
                y.clone().into_buffer_arg(),
                rows,
                columns / 4,
                epsilon as f32,
                mean,
            );
        }
        y
    }

    fn own_gated(both: CubeTensor) -> CubeTensor {
        let both = into_contiguous(both);
        let [rows, columns] = dims(&both);
        assert_f32([&both]);
        assert!(columns.is_multiple_of(8), "{columns} columns");
        let columns = columns / 2;
        let y = empty(&both, [rows, columns]);
        // SAFETY: the kernel stays within `rows` and `columns`, which are the tensor's own.
        #[allow(unsafe_code)]
        unsafe {
            kernels::gated::launch_unchecked(
                &both.client.clone(),
                CubeCount::Static((rows * columns / 4).div_ceil(UNITS), 1, 1),
                CubeDim::new_1d(UNITS),
                both.into_buffer_arg(),
                y.clone().into_buffer_arg(),
                rows,
                columns / 4,
            );
        }
        y
    }

    fn own_turned(all: CubeTensor, cos: CubeTensor, sin: CubeTensor, heads: usize) -> CubeTensor {
        let (all, cos, sin) = (into_contiguous(all), into_contiguous(cos), into_contiguous(sin));
        let [seq, all_heads, head_dim] = dims(&all);
        let heads = heads as u32;
        assert_f32([&all, &cos, &sin]);
        assert!(heads <= all_heads && head_dim.is_multiple_of(4), "{heads} of {all_heads} heads of {head_dim}");
        assert!([&cos, &sin].map(dims) == [[seq, 1, head_dim]; 2], "angles of other rows");
        let turned = empty(&all, [seq, heads, head_dim]);
        // SAFETY: the kernel stays within `seq`, `heads` and `head_dim`, which all tensors have, as asserted.
        #[allow(unsafe_code)]
        unsafe {
            kernels::turn::launch_unchecked(
                &all.client.clone(),
                CubeCount::Static((seq * heads * head_dim / 4).div_ceil(UNITS), 1, 1),
                CubeDim::new_1d(UNITS),
                all.into_buffer_arg(),
                cos.into_buffer_arg(),
                sin.into_buffer_arg(),
                turned.clone().into_buffer_arg(),
                seq,
                heads,
                all_heads,
                head_dim / 4,
            );
        }
        turned
    }

    fn own_cached_attention(
        turned: CubeTensor,
        keys: CubeTensor,
        values: CubeTensor,
        heads: usize,
        start: usize,
    ) -> CubeTensor {
        let (turned, keys, values) = (into_contiguous(turned), into_contiguous(keys), into_contiguous(values));
        let [[seq, turning_heads, head_dim], [kv_heads, room, _]] = [dims(&turned), dims(&keys)];
        let (heads, start) = (heads as u32, start as u32);
        assert_f32([&turned, &keys, &values]);
        assert!(heads <= turning_heads && heads.is_multiple_of(kv_heads), "{heads} heads, {kv_heads} of keys");
        assert!(has_cached_attention(head_dim as usize), "heads of {head_dim}");
        assert!([&keys, &values].map(dims) == [[kv_heads, room, head_dim]; 2], "keys and values of other shapes");
        assert!(start + seq <= room, "{seq} tokens after {start} in room for {room}");
        let mixed = empty(&turned, [seq, heads * head_dim]);
        // SAFETY: the kernel stays within the tensors' shapes, which belong together, as asserted.
        #[allow(unsafe_code)]
        unsafe {
            kernels::cached_attention::launch_unchecked(
                &turned.client.clone(),
                CubeCount::Static(seq, heads, 1),
                CubeDim::new_1d(READERS),
                turned.into_buffer_arg(),
                keys.into_buffer_arg(),
                values.into_buffer_arg(),
                mixed.clone().into_buffer_arg(),
                heads,
                kv_heads,
                turning_heads,
                room,
                start,
                1.0 / (head_dim as f32).sqrt(),
                head_dim / 4,
            );
        }
        mixed
    }
}

/// With a number for each of the `columns`.
fn buffer(bias: Bias<Cube>, columns: u32) -> Option<BufferArg> {
    match bias {
        Bias::Some(bias) => {
            assert_f32([&bias]);
            assert!(bias.meta.shape().num_elements() == columns as usize, "{columns} columns and a bias for others");
            Some(into_contiguous(bias).into_buffer_arg())
        }
        Bias::None => None,
    }
}

/// Kernels are launched without checks of bounds and types: what they are given is checked before.
fn assert_f32<const N: usize>(tensors: [&CubeTensor; N]) {
    for tensor in tensors {
        assert!(tensor.dtype == DType::F32, "{:?}", tensor.dtype);
    }
}

/// Cubes of teams, one team for each of `count`.
fn teams(count: u32) -> (CubeCount, CubeDim) {
    (CubeCount::Static(count.div_ceil(TEAMS), 1, 1), CubeDim::new_2d(TEAM, TEAMS))
}

fn dims<const D: usize>(tensor: &CubeTensor) -> [u32; D] {
    let shape = tensor.meta.shape();
    assert!(shape.num_dims() == D, "{shape:?} has not {D} dimensions");
    std::array::from_fn(|dim| shape[dim] as u32)
}

/// A tensor of f32 beside another, not yet written.
fn empty<const D: usize>(beside: &CubeTensor, shape: [u32; D]) -> CubeTensor {
    let shape = Shape::from(shape.map(|size| size as usize));
    empty_device_contiguous_dtype(beside.client.clone(), beside.device.clone(), shape, DType::F32)
}
