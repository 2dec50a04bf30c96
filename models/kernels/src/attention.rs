//! Attention of rows of the same text to each other.

use super::elementwise::softmax;
use super::matrix::{PackedMatrix, PackedRows};

/// Scaled dot-product attention of one head in one text.
///
/// `all` holds query, key and value of each row one after another, `[seq, 3 * hidden]`; `hidden_scores` what is added
/// to the scores of each row for all to see it, `[seq]`; `added` what is added to those of each row for each to see it,
/// `[seq, seq]`. Gives `[seq, hidden / heads]`.
pub fn attend(all: &[f32], hidden_scores: &[f32], added: Option<&[f32]>, heads: usize, head: usize) -> Vec<f32> {
    let seq = hidden_scores.len();
    let stride = all.len() / seq;
    let hidden = stride / 3;
    let head_dim = hidden / heads;
    let scale = 1.0 / (head_dim as f32).sqrt();
    let first = head * head_dim;
    let (query, key, value) = (&all[first..], &all[hidden + first..], &all[2 * hidden + first..]);
    let query = PackedRows::new(query, seq, head_dim, stride);
    let key = PackedMatrix::from_rows(seq, head_dim, &mut |row, values| {
        values.copy_from_slice(&key[row * stride..][..head_dim]);
    });
    let mut scores = vec![0.0; seq * seq];
    key.add_product(&query, &mut scores, seq);
    for row in scores.chunks_exact_mut(seq) {
        for (score, hidden) in row.iter_mut().zip(hidden_scores) {
            *score = *score * scale + hidden;
        }
    }
    if let Some(added) = added {
        scores.iter_mut().zip(added).for_each(|(score, added)| *score += added);
    }
    scores.chunks_exact_mut(seq).for_each(softmax);
    let value = PackedMatrix::from_columns(head_dim, seq, value, stride);
    let mut mixed = vec![0.0; seq * head_dim];
    value.add_product(&PackedRows::new(&scores, seq, seq, seq), &mut mixed, head_dim);
    mixed
}
