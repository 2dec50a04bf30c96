//! Attention of rows of the same text to each other.

use super::elementwise::softmax;
use super::matrix::{PackedMatrix, PackedRows};

/// Scaled dot-product attention of a batch of texts, head by head.
///
/// `all` holds query, key and value of each row one after another, `[batch * seq, 3 * hidden]`; `hidden_scores` what
/// is added to the scores of each row for all to see it, `[batch, seq]`; `added` what is added to those of each row for
/// each to see it, `[batch, heads, seq, seq]`, or without the first for all texts alike. Gives `[batch * seq, hidden]`.
pub fn attention(all: &[f32], hidden_scores: &[f32], added: Option<&[f32]>, seq: usize, heads: usize) -> Vec<f32> {
    let stride = all.len() / hidden_scores.len();
    let hidden = stride / 3;
    let head_dim = hidden / heads;
    let scale = 1.0 / (head_dim as f32).sqrt();
    let mut mixed = vec![0.0; hidden_scores.len() * hidden];
    let mut scores = vec![0.0; seq * seq];
    let texts = all.chunks_exact(seq * stride).zip(hidden_scores.chunks_exact(seq));
    for (text, ((all, hidden_scores), mixed)) in texts.zip(mixed.chunks_exact_mut(seq * hidden)).enumerate() {
        for head in 0..heads {
            let first = head * head_dim;
            let (query, key, value) = (&all[first..], &all[hidden + first..], &all[2 * hidden + first..]);
            let query = PackedRows::new(query, seq, head_dim, stride);
            let key = PackedMatrix::from_rows(seq, head_dim, &mut |row, values| {
                values.copy_from_slice(&key[row * stride..][..head_dim]);
            });
            scores.fill(0.0);
            key.add_product(&query, &mut scores, seq);
            for row in scores.chunks_exact_mut(seq) {
                for (score, hidden) in row.iter_mut().zip(hidden_scores) {
                    *score = *score * scale + hidden;
                }
            }
            if let Some(added) = added {
                let first = (text * heads + head) * seq * seq % added.len();
                for (score, added) in scores.iter_mut().zip(&added[first..]) {
                    *score += added;
                }
            }
            scores.chunks_exact_mut(seq).for_each(softmax);
            let value = PackedMatrix::from_columns(head_dim, seq, value, stride);
            value.add_product(&PackedRows::new(&scores, seq, seq, seq), &mut mixed[first..], hidden);
        }
    }
    mixed
}
