//! Attention of rows of a text to themselves and to those before them, whose keys and values are kept.

use super::elementwise::softmax;
use super::matrix::{PackedMatrix, PackedRows};
use super::packed::dot;

/// Rows whose keys, and values, are one matrix.
const BLOCK: usize = 64;

/// What the rows of a text so far have for one head.
#[derive(Debug)]
pub struct KeysValues {
    /// `[rows, head_dim]`
    keys: Vec<f32>,
    /// `[rows, head_dim]`
    values: Vec<f32>,
    head_dim: usize,
}

/// How rows look back.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// What products of queries and keys are multiplied with.
    pub scale: f32,
    /// Scores come no farther from 0: `cap * tanh(score / cap)`.
    pub cap: Option<f32>,
    /// Rows that a row sees at most, itself among them; none is all up to itself.
    pub window: Option<usize>,
}

impl KeysValues {
    /// Of no rows.
    pub fn new(head_dim: usize) -> Self {
        Self { keys: Vec::new(), values: Vec::new(), head_dim }
    }

    /// Adds a row, with `head_dim` numbers each.
    pub fn push(&mut self, key: &[f32], value: &[f32]) {
        self.keys.extend_from_slice(key);
        self.values.extend_from_slice(value);
    }

    /// Forgets all but the first `rows`.
    pub fn truncate(&mut self, rows: usize) {
        self.keys.truncate(rows * self.head_dim);
        self.values.truncate(rows * self.head_dim);
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.keys.len() / self.head_dim
    }

    /// What row `row` of the text, with this `query`, sees: `head_dim` numbers.
    pub fn attend(&self, query: &[f32], row: usize, look: Look) -> Vec<f32> {
        let seen = look.seen_by(row);
        let seen = seen.start * self.head_dim..seen.end * self.head_dim;
        let keys = self.keys[seen.clone()].chunks_exact(self.head_dim);
        let mut weights: Vec<f32> = keys.map(|key| dot(query, key)).collect();
        look.weigh(&mut weights);
        let mut mixed = vec![0.0; self.head_dim];
        for (weight, value) in weights.iter().zip(self.values[seen].chunks_exact(self.head_dim)) {
            mixed.iter_mut().zip(value).for_each(|(mixed, value)| *mixed += weight * value);
        }
        mixed
    }

    /// What row `row` of the text and those after it see, for many of them to look at.
    pub fn packed(&self, row: usize, look: Look) -> PackedKeysValues {
        let head_dim = self.head_dim;
        let first_block = look.seen_by(row).start / BLOCK;
        let from = first_block * BLOCK * head_dim;
        let blocks = self.keys[from..].chunks(BLOCK * head_dim).zip(self.values[from..].chunks(BLOCK * head_dim));
        let block = |(keys, values): (&[f32], &[f32])| {
            let rows = keys.len() / head_dim;
            let key = |row: usize, to: &mut [f32]| to.copy_from_slice(&keys[row * head_dim..][..head_dim]);
            let keys = PackedMatrix::from_rows(rows, head_dim, &mut { key });
            (keys, PackedMatrix::from_columns(head_dim, rows, values, head_dim))
        };
        PackedKeysValues { blocks: blocks.map(block).collect(), first_block, rows: self.rows(), head_dim, look }
    }
}

/// [`KeysValues`], packed.
#[derive(Debug)]
pub struct PackedKeysValues {
    /// For each [`BLOCK`] rows their keys, `[rows, head_dim]`, and values, `[head_dim, rows]`.
    blocks: Vec<(PackedMatrix, PackedMatrix)>,
    /// The number of the first of them in the text.
    first_block: usize,
    rows: usize,
    head_dim: usize,
    look: Look,
}

impl PackedKeysValues {
    /// What rows see, the first of them row `first` of the text, and none before those that these were packed for:
    /// `[count, head_dim]`. `queries` holds that of each at the start of `stride` numbers; the last may end with it.
    pub fn attend(&self, queries: &[f32], stride: usize, first: usize, count: usize) -> Vec<f32> {
        let look = self.look;
        // Rows that the first sees, and those that the last sees, in whole blocks.
        let blocks = look.seen_by(first).start / BLOCK..(first + count).div_ceil(BLOCK);
        let begin = blocks.start * BLOCK;
        let width = self.rows.min(blocks.end * BLOCK) - begin;
        let blocks = &self.blocks[blocks.start - self.first_block..blocks.end - self.first_block];
        let queries = PackedRows::new(queries, count, self.head_dim, stride);
        let mut weights = vec![0.0; count * width];
        for (block, (keys, _)) in blocks.iter().enumerate() {
            keys.add_product(&queries, &mut weights[block * BLOCK..], width);
        }
        for (row, weights) in weights.chunks_exact_mut(width).enumerate() {
            let seen = look.seen_by(first + row);
            let (before, rest) = weights.split_at_mut(seen.start.saturating_sub(begin));
            let (seen, after) = rest.split_at_mut(seen.len());
            before.fill(0.0);
            look.weigh(seen);
            after.fill(0.0);
        }
        let mut mixed = vec![0.0; count * self.head_dim];
        for (block, (_, values)) in blocks.iter().enumerate() {
            let weights = PackedRows::new(&weights[block * BLOCK..], count, values.inputs(), width);
            values.add_product(&weights, &mut mixed, self.head_dim);
        }
        mixed
    }
}

impl Look {
    /// The rows that row `row` sees.
    fn seen_by(self, row: usize) -> std::ops::Range<usize> {
        self.window.map_or(0, |window| (row + 1).saturating_sub(window))..row + 1
    }

    /// Makes weights of products.
    fn weigh(self, products: &mut [f32]) {
        match self.cap {
            None => products.iter_mut().for_each(|score| *score *= self.scale),
            Some(cap) => products.iter_mut().for_each(|score| *score = cap * (*score * self.scale / cap).tanh()),
        }
        softmax(products);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD_DIM: usize = 12;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|index| libm::sinf((index * index + seed) as f32 * 0.37) * 3.0).collect()
    }

    /// `[HEAD_DIM]` in f64.
    fn expected(query: &[f32], keys: &[f32], values: &[f32], row: usize, look: Look) -> Vec<f64> {
        let first = look.window.map_or(0, |window| (row + 1).saturating_sub(window));
        let of_row = |of: &[f32], row: usize| of[row * HEAD_DIM..][..HEAD_DIM].iter().map(|x| f64::from(*x)).collect();
        let score = |at: usize| {
            let key: Vec<f64> = of_row(keys, at);
            let product: f64 = query.iter().zip(key).map(|(query, key)| f64::from(*query) * key).sum();
            let score = product * f64::from(look.scale);
            libm::exp(look.cap.map_or(score, |cap| f64::from(cap) * libm::tanh(score / f64::from(cap))))
        };
        let weights: Vec<f64> = (first..=row).map(score).collect();
        let sum: f64 = weights.iter().sum();
        let mut mixed = vec![0.0; HEAD_DIM];
        for (at, weight) in (first..=row).zip(&weights) {
            let value: Vec<f64> = of_row(values, at);
            mixed.iter_mut().zip(value).for_each(|(mixed, value)| *mixed += weight / sum * value);
        }
        mixed
    }

    /// One row alone, and rows from any place on, within one block and over several, with and without a window and a
    /// cap.
    #[test]
    fn rows_see_those_up_to_themselves() {
        let rows = 2 * BLOCK + 20;
        let (keys, values, queries) =
            (numbers(rows * HEAD_DIM, 0), numbers(rows * HEAD_DIM, 1), numbers(rows * 2 * HEAD_DIM, 2));
        let query = |row: usize| &queries[2 * row * HEAD_DIM..][..HEAD_DIM];
        let mut compared = 0;
        for window in [None, Some(1), Some(10), Some(BLOCK + 3), Some(10 * rows)] {
            for cap in [None, Some(5.0)] {
                let look = Look { scale: 0.3, cap, window };
                let near = |row: usize, seen: &[f32]| {
                    assert_eq!(seen.len(), HEAD_DIM);
                    for (seen, expected) in seen.iter().zip(expected(query(row), &keys, &values, row, look)) {
                        assert!((f64::from(*seen) - expected).abs() < 1e-5, "{look:?}, {row}: {seen} for {expected}");
                    }
                };
                let mut kept = KeysValues::new(HEAD_DIM);
                for row in 0..rows {
                    let place = row * HEAD_DIM..(row + 1) * HEAD_DIM;
                    kept.push(&keys[place.clone()], &values[place]);
                    near(row, &kept.attend(query(row), row, look));
                    near(row / 2, &kept.attend(query(row / 2), row / 2, look));
                }
                for (first, count) in [(0, rows), (0, 1), (0, BLOCK), (7, 30), (BLOCK, BLOCK), (BLOCK + 9, 75)] {
                    // Rows after them may be there already.
                    for kept_rows in [rows, first + count] {
                        kept.truncate(kept_rows);
                        let from = &queries[2 * first * HEAD_DIM..];
                        let seen = kept.packed(first, look).attend(from, 2 * HEAD_DIM, first, count);
                        assert_eq!(seen.len(), count * HEAD_DIM);
                        seen.chunks(HEAD_DIM).enumerate().for_each(|(row, seen)| near(first + row, seen));
                        for row in kept_rows..rows {
                            let place = row * HEAD_DIM..(row + 1) * HEAD_DIM;
                            kept.push(&keys[place.clone()], &values[place]);
                        }
                        compared += count;
                    }
                }
            }
        }
        assert_eq!(compared, 5 * 2 * 2 * (rows + 1 + BLOCK + 30 + BLOCK + 75));
    }
}
