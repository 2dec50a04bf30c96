//! Products of rows with a matrix whose weights are packed once, in vectors of four lanes. Tiles are as
//! large as 16 vector registers allow: eight sums, two weights, the inputs and what is on its way. Browsers keep sums
//! in registers in this simple loop, and not in one that is unrolled by hand.

use wide::f32x4;

/// Numbers that are computed together.
const LANES: usize = 4;

/// Outputs of a panel.
const WIDTH: usize = 2 * LANES;

/// Rows of a tile at most.
const HEIGHT: usize = 4;

/// Inputs that are summed at a time: this much of a panel and of a tile's rows stays in a core's first cache.
const DEPTH: usize = 384;

/// The weights of a panel's outputs for one input.
type Weights = [f32x4; WIDTH / LANES];

/// `[outputs, inputs]`
#[derive(Debug)]
pub struct PackedMatrix {
    /// For each [`WIDTH`] outputs, the weights of all inputs one after another; zeros where there are fewer outputs.
    weights: Vec<Weights>,
    outputs: usize,
    inputs: usize,
}

/// Rows that are multiplied, in tiles of like height: `[rows, inputs]`.
#[derive(Debug)]
pub struct PackedRows {
    /// For each [`DEPTH`] inputs each tile, for each input of these the tile's rows.
    values: Vec<f32>,
    rows: usize,
}

impl PackedMatrix {
    /// Packs a matrix whose rows `fill` writes, by their number: the weights of one output each.
    pub fn from_rows(outputs: usize, inputs: usize, fill: &mut dyn FnMut(usize, &mut [f32])) -> Self {
        let mut weights = Vec::with_capacity(outputs.div_ceil(WIDTH) * inputs);
        let mut rows = vec![0.0; WIDTH * inputs];
        for first in (0..outputs).step_by(WIDTH) {
            let count = WIDTH.min(outputs - first);
            rows[count * inputs..].fill(0.0);
            for (row, values) in rows.chunks_exact_mut(inputs).take(count).enumerate() {
                fill(first + row, values);
            }
            let row = |row: usize| &rows[row * inputs..][..inputs];
            let rows: [&[f32]; WIDTH] = std::array::from_fn(row);
            weights.extend((0..inputs).map(|input| {
                let lanes = |vector: usize| std::array::from_fn(|lane| rows[vector * LANES + lane][input]);
                std::array::from_fn(|vector| f32x4::new(lanes(vector)))
            }));
        }
        Self { weights, outputs, inputs }
    }

    /// Packs a matrix whose columns are given: for each input, all outputs' weights at the start of `stride` numbers.
    pub fn from_columns(outputs: usize, inputs: usize, columns: &[f32], stride: usize) -> Self {
        let mut weights = Vec::with_capacity(outputs.div_ceil(WIDTH) * inputs);
        for first in (0..outputs).step_by(WIDTH) {
            weights.extend(columns.chunks(stride).take(inputs).map(|column| {
                let mut weights = [[0.0; LANES]; WIDTH / LANES];
                let column = &column[first..outputs.min(first + WIDTH)];
                weights.as_flattened_mut()[..column.len()].copy_from_slice(column);
                weights.map(f32x4::new)
            }));
        }
        Self { weights, outputs, inputs }
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
            let (panel, place) = (*number as usize / WIDTH, *number as usize % WIDTH);
            self.weights[panel * self.inputs..][..self.inputs]
                .iter()
                .map(move |weights| weights[place / LANES].to_array()[place % LANES])
        };
        numbers.iter().flat_map(row).collect()
    }

    /// `y += x W^T`: `y` holds the outputs of each row of `x` at the start of `stride` numbers.
    pub fn add_product(&self, x: &PackedRows, y: &mut [f32], stride: usize) {
        let mut start = 0;
        while start < self.inputs {
            let depth = DEPTH.min(self.inputs - start);
            let x_block = &x.values[start * x.rows..][..depth * x.rows];
            for (panel, weights) in self.weights.chunks_exact(self.inputs).enumerate() {
                let columns = panel * WIDTH..self.outputs.min((panel + 1) * WIDTH);
                let weights = &weights[start..start + depth];
                for (first, height) in tiles(x.rows) {
                    let x = &x_block[first * depth..][..height * depth];
                    let y = y[first * stride..].chunks_mut(stride).map(|y| &mut y[columns.clone()]);
                    match height {
                        1 => add_tile::<1>(x, weights, y),
                        2 => add_tile::<2>(x, weights, y),
                        3 => add_tile::<3>(x, weights, y),
                        _ => add_tile::<HEIGHT>(x, weights, y),
                    }
                }
            }
            start += depth;
        }
    }
}

impl PackedRows {
    /// Each row holds its `inputs` at the start of `stride` numbers; the last may end with them.
    pub fn new(values: &[f32], rows: usize, inputs: usize, stride: usize) -> Self {
        let mut packed = Vec::with_capacity(rows * inputs);
        for start in (0..inputs).step_by(DEPTH) {
            let depth = DEPTH.min(inputs - start);
            for (first, height) in tiles(rows) {
                let row = |row: usize| &values[(first + row) * stride + start..][..depth];
                match height {
                    1 => packed.extend(row(0)),
                    2 => interleave([row(0), row(1)], &mut packed),
                    3 => interleave([row(0), row(1), row(2)], &mut packed),
                    _ => interleave::<HEIGHT>(std::array::from_fn(row), &mut packed),
                }
            }
        }
        Self { values: packed, rows }
    }
}

/// First row and height of each tile: as few tiles as there can be, and these of like height, since low ones are slow.
fn tiles(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let tiles = rows.div_ceil(HEIGHT);
    (0..tiles).map(move |tile| {
        let first = tile * rows / tiles;
        (first, (tile + 1) * rows / tiles - first)
    })
}

fn interleave<const ROWS: usize>(rows: [&[f32]; ROWS], packed: &mut Vec<f32>) {
    packed.extend((0..rows[0].len()).flat_map(|input| rows.map(|row| row[input])));
}

fn add_tile<'a, const ROWS: usize>(x: &[f32], weights: &[Weights], y: impl Iterator<Item = &'a mut [f32]>) {
    let sums = tile(x.as_chunks::<ROWS>().0, weights);
    for (sums, y) in sums.iter().zip(y) {
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

    /// Numbers from -1 to 1 without a pattern that would hide an exchange of places.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|index| libm::sinf(((index + seed) * (index + 3)) as f32 * 0.37)).collect()
    }

    /// Compares with sums in f64; `y` is not empty before, and rows of `x` and `y` stand among other numbers.
    fn check(matrix: &PackedMatrix, weight: impl Fn(usize, usize) -> f32, rows: usize) {
        let (outputs, inputs) = (matrix.outputs, matrix.inputs);
        let (x_stride, y_stride) = (inputs + 3, outputs + 2);
        let x = numbers(rows * x_stride - 3, 5);
        let before = numbers(rows * y_stride - 2, 7);
        let mut y = before.clone();
        matrix.add_product(&PackedRows::new(&x, rows, inputs, x_stride), &mut y, y_stride);
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
        for rows in [1, 2, 3, 4, 5, 6, 7, 9, 66] {
            for (outputs, inputs) in [(1, 1), (7, 5), (8, 384), (13, 385), (29, 770), (48, 32)] {
                let weights = numbers(outputs * inputs, 1);
                let fill = |row: usize, values: &mut [f32]| values.copy_from_slice(&weights[row * inputs..][..inputs]);
                let matrix = PackedMatrix::from_rows(outputs, inputs, &mut { fill });
                check(&matrix, |output, input| weights[output * inputs + input], rows);

                let stride = outputs + 4;
                let columns = numbers(inputs * stride - 4, 2);
                let matrix = PackedMatrix::from_columns(outputs, inputs, &columns, stride);
                check(&matrix, |output, input| columns[input * stride + output], rows);
            }
        }
    }

    #[test]
    fn tiles_cover_all_rows_and_are_of_like_height() {
        let heights = |rows| tiles(rows).map(|(_, height)| height).collect::<Vec<_>>();
        assert_eq!((heights(1), heights(5), heights(9)), (vec![1], vec![2, 3], vec![3, 3, 3]));
        for rows in 1..300 {
            let end = tiles(rows).fold(0, |end, (first, height)| {
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
        let seen = PackedMatrix::from_rows(13, 5, &mut { fill }).select(&[12, 0, 8]);
        assert_eq!(seen, [&weights[60..], &weights[..5], &weights[40..45]].concat());
    }
}
