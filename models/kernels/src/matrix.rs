//! Products of rows with a matrix whose weights are packed once, in vectors of four lanes, or of eight where the
//! processor has them. Tiles are as large as 16 vector registers allow; of four lanes: eight sums, two weights, the
//! inputs and what is on its way. Browsers keep sums in registers in this simple loop, and not in one that is unrolled
//! by hand.

use std::ops::Range;

use bytemuck::Pod;
use wide::f32x4;

#[cfg(target_arch = "x86_64")]
use crate::avx2::{self, matrix as eight};

/// Numbers that are computed together.
const LANES: usize = 4;

/// Outputs of a panel.
const WIDTH: usize = 2 * LANES;

/// A matrix that is split has parts of a multiple of this many outputs, but the last: so many are computed together, or
/// half as many, by the processor.
pub const OUTPUTS_TOGETHER: usize = 2 * WIDTH;

#[cfg(target_arch = "x86_64")]
const _: () = assert!(OUTPUTS_TOGETHER == eight::WIDTH);

/// Rows of a tile at most.
const HEIGHT: usize = 4;

/// Inputs that are summed at a time: this much of a panel and of a tile's rows stays in a core's first cache.
const DEPTH: usize = 384;

/// The weights of a panel's outputs for one input.
type Weights = [f32x4; WIDTH / LANES];

/// `[outputs, inputs]`
#[derive(Debug)]
pub struct PackedMatrix {
    panels: Panels,
    outputs: usize,
    inputs: usize,
}

/// For some outputs at a time, the weights of all inputs one after another; zeros where there are fewer outputs.
#[derive(Debug)]
enum Panels {
    /// [`WIDTH`] outputs.
    Four(Vec<Weights>),
    /// [`eight::WIDTH`] outputs.
    #[cfg(target_arch = "x86_64")]
    Eight(Vec<eight::Weights>),
}

/// What is multiplied at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tile {
    /// Rows at most.
    height: usize,
    /// Inputs at most.
    depth: usize,
}

const FOUR: Tile = Tile { height: HEIGHT, depth: DEPTH };

#[cfg(target_arch = "x86_64")]
const EIGHT: Tile = Tile { height: eight::HEIGHT, depth: eight::DEPTH };

/// Rows that are multiplied, in tiles of like height: `[rows, inputs]`.
#[derive(Debug)]
pub struct PackedRows {
    /// For each [`Tile::depth`] inputs each tile, for each input of these the tile's rows.
    values: Vec<f32>,
    rows: usize,
    tile: Tile,
}

/// The tile of this processor.
fn tile_here() -> Tile {
    #[cfg(target_arch = "x86_64")]
    if avx2::is_here() {
        return EIGHT;
    }
    FOUR
}

impl PackedMatrix {
    /// Packs a matrix whose rows `fill` writes, by their number: the weights of one output each.
    pub fn from_rows(outputs: usize, inputs: usize, fill: &mut dyn FnMut(usize, &mut [f32])) -> Self {
        Self::rows_for(tile_here(), outputs, inputs, fill)
    }

    fn rows_for(tile: Tile, outputs: usize, inputs: usize, fill: &mut dyn FnMut(usize, &mut [f32])) -> Self {
        let panels = match tile {
            #[cfg(target_arch = "x86_64")]
            EIGHT => Panels::Eight(pack_rows(outputs, inputs, fill, bytemuck::cast::<[f32; eight::WIDTH], _>)),
            _ => Panels::Four(pack_rows(outputs, inputs, fill, bytemuck::cast::<[f32; WIDTH], _>)),
        };
        Self { panels, outputs, inputs }
    }

    /// Packs a matrix whose columns are given: for each input, all outputs' weights at the start of `stride` numbers.
    pub fn from_columns(outputs: usize, inputs: usize, columns: &[f32], stride: usize) -> Self {
        Self::columns_for(tile_here(), outputs, inputs, columns, stride)
    }

    fn columns_for(tile: Tile, outputs: usize, inputs: usize, columns: &[f32], stride: usize) -> Self {
        let columns = || columns.chunks(stride).take(inputs).map(|column| &column[..outputs]);
        let panels = match tile {
            #[cfg(target_arch = "x86_64")]
            EIGHT => Panels::Eight(pack_columns(outputs, columns, bytemuck::cast::<[f32; eight::WIDTH], _>)),
            _ => Panels::Four(pack_columns(outputs, columns, bytemuck::cast::<[f32; WIDTH], _>)),
        };
        Self { panels, outputs, inputs }
    }

    /// Rows of the matrix.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Numbers in a row of the matrix.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Rows by their numbers, each below `outputs`, one after another.
    pub fn select(&self, numbers: &[u32]) -> Vec<f32> {
        let row = |number: &u32| {
            let output = *number as usize;
            (0..self.inputs).map(move |input| match &self.panels {
                Panels::Four(panels) => weight::<WIDTH, _>(panels, self.inputs, output, input),
                #[cfg(target_arch = "x86_64")]
                Panels::Eight(panels) => weight::<{ eight::WIDTH }, _>(panels, self.inputs, output, input),
            })
        };
        numbers.iter().flat_map(row).collect()
    }

    /// `y += x W^T`: `y` holds the outputs of each row of `x` at the start of `stride` numbers.
    pub fn add_product(&self, x: &PackedRows, y: &mut [f32], stride: usize) {
        match &self.panels {
            Panels::Four(panels) => self.add_panels::<WIDTH, _>(panels, FOUR, x, y, stride, add_tile),
            #[cfg(target_arch = "x86_64")]
            Panels::Eight(panels) => {
                self.add_panels::<{ eight::WIDTH }, _>(panels, EIGHT, x, y, stride, eight::add_tile);
            }
        }
    }

    fn add_panels<const WIDTH: usize, W>(
        &self,
        panels: &[W],
        tile: Tile,
        x: &PackedRows,
        y: &mut [f32],
        stride: usize,
        add_tile: impl Fn(&[f32], usize, OfPanel<'_, W>, OfTile<'_>),
    ) {
        assert_eq!(x.tile, tile, "rows are packed for a matrix of the same processor");
        for start in (0..self.inputs).step_by(tile.depth) {
            let depth = tile.depth.min(self.inputs - start);
            let mut ahead = panels.chunks_exact(self.inputs).skip(1);
            for (panel, weights) in panels.chunks_exact(self.inputs).enumerate() {
                let next = match ahead.next() {
                    Some(next) => &next[start..start + depth],
                    // After the last panel comes the first again, for the inputs after these.
                    None => &panels[..self.inputs][start + depth..self.inputs.min(start + depth + tile.depth)],
                };
                let of_panel = OfPanel { weights: &weights[start..start + depth], next };
                let columns = panel * WIDTH..self.outputs.min((panel + 1) * WIDTH);
                x.add_panel(start, of_panel, y, stride, columns, &add_tile);
            }
        }
    }
}

/// The inputs of a panel that are summed at a time.
pub(crate) struct OfPanel<'a, W> {
    pub(crate) weights: &'a [W],
    /// Those that come after them, of which each tile asks for a share ahead of their use.
    pub(crate) next: &'a [W],
}

/// The outputs of a tile: some columns of its rows.
pub(crate) struct OfTile<'a> {
    y: &'a mut [f32],
    stride: usize,
    columns: Range<usize>,
}

impl<'a> OfTile<'a> {
    /// Row by row.
    #[inline(always)]
    pub(crate) fn rows<const ROWS: usize>(self) -> [&'a mut [f32]; ROWS] {
        let mut rest = self.y;
        std::array::from_fn(|row| {
            let (of_row, others) =
                std::mem::take(&mut rest).split_at_mut(if row + 1 < ROWS { self.stride } else { self.columns.end });
            rest = others;
            &mut of_row[self.columns.clone()]
        })
    }
}

fn pack_rows<const WIDTH: usize, W>(
    outputs: usize,
    inputs: usize,
    fill: &mut dyn FnMut(usize, &mut [f32]),
    weights: impl Fn([f32; WIDTH]) -> W,
) -> Vec<W> {
    let mut packed = Vec::with_capacity(outputs.div_ceil(WIDTH) * inputs);
    let mut rows = vec![0.0; WIDTH * inputs];
    for first in (0..outputs).step_by(WIDTH) {
        let count = WIDTH.min(outputs - first);
        rows[count * inputs..].fill(0.0);
        for (row, values) in rows.chunks_exact_mut(inputs).take(count).enumerate() {
            fill(first + row, values);
        }
        let rows: [&[f32]; WIDTH] = std::array::from_fn(|row| &rows[row * inputs..][..inputs]);
        packed.extend((0..inputs).map(|input| weights(rows.map(|row| row[input]))));
    }
    packed
}

fn pack_columns<'a, const WIDTH: usize, W, C: Iterator<Item = &'a [f32]>>(
    outputs: usize,
    columns: impl Fn() -> C,
    weights: impl Fn([f32; WIDTH]) -> W,
) -> Vec<W> {
    let panel = |first: usize| {
        let weights = &weights;
        columns().map(move |column| {
            let mut padded = [0.0; WIDTH];
            let column = &column[first..outputs.min(first + WIDTH)];
            padded[..column.len()].copy_from_slice(column);
            weights(padded)
        })
    };
    (0..outputs).step_by(WIDTH).flat_map(panel).collect()
}

fn weight<const WIDTH: usize, W: Pod>(panels: &[W], inputs: usize, output: usize, input: usize) -> f32
where
    [f32; WIDTH]: Pod,
{
    bytemuck::cast::<W, [f32; WIDTH]>(panels[output / WIDTH * inputs + input])[output % WIDTH]
}

impl PackedRows {
    /// Adds to some columns of the outputs, in `y` those of each row at the start of `stride` numbers, the products of
    /// the inputs from `start` on, as many as the panel has weights: those that are summed at a time.
    pub(crate) fn add_panel<W>(
        &self,
        start: usize,
        panel: OfPanel<'_, W>,
        y: &mut [f32],
        stride: usize,
        columns: Range<usize>,
        add_tile: impl Fn(&[f32], usize, OfPanel<'_, W>, OfTile<'_>),
    ) {
        let depth = panel.weights.len();
        let inputs = &self.values[start * self.rows..][..depth * self.rows];
        let share = panel.next.len().div_ceil(self.rows.div_ceil(self.tile.height).max(1));
        let mut next = panel.next.chunks(share.max(1));
        for (first, height) in tiles(self.rows, self.tile.height) {
            let of_tile = OfTile { y: &mut y[first * stride..], stride, columns: columns.clone() };
            let of_panel = OfPanel { next: next.next().unwrap_or_default(), ..panel };
            add_tile(&inputs[first * depth..][..height * depth], height, of_panel, of_tile);
        }
    }

    /// Each row holds its `inputs` at the start of `stride` numbers; the last may end with them.
    pub fn new(values: &[f32], rows: usize, inputs: usize, stride: usize) -> Self {
        Self::packed_for(tile_here(), values, rows, inputs, stride)
    }

    /// Rows of `inputs` one after another, of which `depth` inputs are summed at a time.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn in_depths_of(depth: usize, values: &[f32], rows: usize, inputs: usize) -> Self {
        Self::packed_for(Tile { depth, ..tile_here() }, values, rows, inputs, inputs)
    }

    fn packed_for(tile: Tile, values: &[f32], rows: usize, inputs: usize, stride: usize) -> Self {
        let mut packed = vec![0.0; rows * inputs];
        let mut rest = packed.as_mut_slice();
        for start in (0..inputs).step_by(tile.depth) {
            let depth = tile.depth.min(inputs - start);
            for (first, height) in tiles(rows, tile.height) {
                let row = |row: usize| &values[(first + row) * stride + start..][..depth];
                let (packed, others) = rest.split_at_mut(height * depth);
                match height {
                    1 => packed.copy_from_slice(row(0)),
                    2 => interleave::<2>(std::array::from_fn(row), packed),
                    3 => interleave::<3>(std::array::from_fn(row), packed),
                    4 => interleave::<4>(std::array::from_fn(row), packed),
                    5 => interleave::<5>(std::array::from_fn(row), packed),
                    _ => interleave::<6>(std::array::from_fn(row), packed),
                }
                rest = others;
            }
        }
        Self { values: packed, rows, tile }
    }
}

/// First row and height of each tile: as few tiles as there can be, and these of like height, since low ones are slow.
fn tiles(rows: usize, height: usize) -> impl Iterator<Item = (usize, usize)> {
    let tiles = rows.div_ceil(height);
    (0..tiles).map(move |tile| {
        let first = tile * rows / tiles;
        (first, (tile + 1) * rows / tiles - first)
    })
}

fn interleave<const ROWS: usize>(rows: [&[f32]; ROWS], packed: &mut [f32]) {
    for (input, packed) in packed.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
        *packed = rows.map(|row| row[input]);
    }
}

fn add_tile(x: &[f32], height: usize, OfPanel { weights, .. }: OfPanel<'_, Weights>, y: OfTile<'_>) {
    match height {
        1 => add_rows::<1>(x, weights, y),
        2 => add_rows::<2>(x, weights, y),
        3 => add_rows::<3>(x, weights, y),
        _ => add_rows::<HEIGHT>(x, weights, y),
    }
}

fn add_rows<const ROWS: usize>(x: &[f32], weights: &[Weights], y: OfTile<'_>) {
    let sums = tile(x.as_chunks::<ROWS>().0, weights);
    for (sums, y) in sums.iter().zip(y.rows::<ROWS>()) {
        let sums = sums.map(f32x4::to_array);
        let sums = sums.as_flattened();
        match <&mut [f32; WIDTH]>::try_from(&mut *y) {
            Ok(y) => y.iter_mut().zip(sums).for_each(|(y, sum)| *y += sum),
            Err(_) => y.iter_mut().zip(sums).for_each(|(y, sum)| *y += sum),
        }
    }
}

#[inline(never)]
fn tile<const ROWS: usize>(x: &[[f32; ROWS]], weights: &[Weights]) -> [Weights; ROWS] {
    let mut sums = [Weights::default(); ROWS];
    for (x, weights) in x.iter().zip(weights) {
        for (sums, x) in sums.iter_mut().zip(x) {
            let x = f32x4::splat(*x);
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum += x * *weights;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [usize; 10] = [1, 2, 3, 4, 5, 6, 7, 9, 11, 66];

    /// Those of this processor, and those of all.
    fn every_tile() -> Vec<Tile> {
        if tile_here() == FOUR { vec![FOUR] } else { vec![FOUR, tile_here()] }
    }

    /// Numbers from -1 to 1 without a pattern that would hide an exchange of places.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|index| libm::sinf(((index + seed) * (index + 3)) as f32 * 0.37)).collect()
    }

    /// Compares with sums in f64; `y` is not empty before, and rows of `x` and `y` stand among other numbers.
    fn check(tile: Tile, matrix: &PackedMatrix, weight: impl Fn(usize, usize) -> f32, rows: usize) {
        let (outputs, inputs) = (matrix.outputs, matrix.inputs);
        let (x_stride, y_stride) = (inputs + 3, outputs + 2);
        let x = numbers(rows * x_stride - 3, 5);
        let before = numbers(rows * y_stride - 2, 7);
        let mut y = before.clone();
        matrix.add_product(&PackedRows::packed_for(tile, &x, rows, inputs, x_stride), &mut y, y_stride);
        for (index, (seen, before)) in y.into_iter().zip(before).enumerate() {
            let (row, output) = (index / y_stride, index % y_stride);
            if output >= outputs {
                assert_eq!(seen, before, "beside the outputs");
                continue;
            }
            let product = |input| f64::from(x[row * x_stride + input]) * f64::from(weight(output, input));
            let expected = f64::from(before) + (0..inputs).map(product).sum::<f64>();
            let bound = 1e-6 * (1.0 + (0..inputs).map(|input| product(input).abs()).sum::<f64>());
            let place = format!("[{rows}, {inputs}] by [{outputs}, {inputs}] at {row}, {output}");
            assert!((f64::from(seen) - expected).abs() < bound, "{place}: {seen} for {expected}");
        }
    }

    #[test]
    fn products_of_all_shapes_are_sums_of_products() {
        for (tile, rows) in every_tile().into_iter().flat_map(|tile| ROWS.map(|rows| (tile, rows))) {
            for (outputs, inputs) in [(1, 1), (7, 5), (8, 384), (13, 385), (29, 770), (48, 32)] {
                let weights = numbers(outputs * inputs, 1);
                let fill = |row: usize, values: &mut [f32]| values.copy_from_slice(&weights[row * inputs..][..inputs]);
                let matrix = PackedMatrix::rows_for(tile, outputs, inputs, &mut { fill });
                check(tile, &matrix, |output, input| weights[output * inputs + input], rows);

                let stride = outputs + 4;
                let columns = numbers(inputs * stride - 4, 2);
                let matrix = PackedMatrix::columns_for(tile, outputs, inputs, &columns, stride);
                check(tile, &matrix, |output, input| columns[input * stride + output], rows);
            }
        }
    }

    #[test]
    fn tiles_cover_all_rows_and_are_of_like_height() {
        let heights = |rows| tiles(rows, HEIGHT).map(|(_, height)| height).collect::<Vec<_>>();
        assert_eq!((heights(1), heights(5), heights(9)), (vec![1], vec![2, 3], vec![3, 3, 3]));
        for rows in 1..300 {
            let end = tiles(rows, HEIGHT).fold(0, |end, (first, height)| {
                assert!(first == end && (1..=HEIGHT).contains(&height), "{rows}: {first}, {height}");
                end + height
            });
            assert_eq!(end, rows);
        }
    }

    #[test]
    fn packed_rows_come_back() {
        let weights = numbers(13 * 5, 1);
        let fill = |row: usize, values: &mut [f32]| values.copy_from_slice(&weights[row * 5..][..5]);
        for tile in every_tile() {
            let seen = PackedMatrix::rows_for(tile, 13, 5, &mut { fill }).select(&[12, 0, 8]);
            assert_eq!(seen, [&weights[60..], &weights[..5], &weights[40..45]].concat());
        }
    }
}
