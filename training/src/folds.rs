//! Which passages a judge does not see.

use poq_core::rng::{Purpose, Stream};

/// By passage: its fold, from 0. Folds differ by one passage at most.
pub(crate) fn folds(passages: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut of = vec![0; passages];
    let order = shuffled(passages, &mut Stream::new(seed, Purpose::Folds));
    for (place, passage) in order.into_iter().enumerate() {
        of[passage] = place % count;
    }
    of
}

/// The numbers below `count` in an order drawn from `stream` (Fisher and Yates).
pub(crate) fn shuffled(count: usize, stream: &mut Stream) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, stream.below(last as u32 + 1) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::folds;

    #[test]
    fn folds_are_of_like_size_and_follow_the_seed() {
        let of = folds(23, 5, 7);
        let mut sizes = [0; 5];
        of.iter().for_each(|&fold| sizes[fold] += 1);
        assert_eq!(sizes, [5, 5, 5, 4, 4]);
        assert_eq!(of, folds(23, 5, 7));
        assert_ne!(of, folds(23, 5, 8));
    }
}
