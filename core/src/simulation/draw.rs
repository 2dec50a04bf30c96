//! Drawing K evaluators from a pool without repetition, each set equally likely.

use crate::rng::{Stream, Words};

/// Pools with at most so many sets of K have them all in a table, which costs one number in place of K.
const MAX_SETS: u32 = 4096;

/// Up to so many picks are compared one by one, which in a large pool is quicker than a mark for each evaluator.
const FEW: usize = 32;

/// The way of drawing that fits the pool; which one is a matter of the pool's size and K alone.
#[derive(Debug)]
pub(crate) enum EvaluatorDraw {
    /// Every set of K, one after the other.
    Table { sets: Vec<u32>, count: u32, size: usize },
    /// Each set when it is drawn.
    Floyd { floyd: Floyd, picked: Vec<u32> },
}

impl EvaluatorDraw {
    /// For `size` of `pool` evaluators, `1 <= size <= pool`.
    pub(crate) fn new(pool: u32, size: u32) -> Self {
        match number_of_sets(pool, size) {
            Some(count) => Self::Table { sets: all_sets(pool, size), count, size: size as usize },
            None => {
                let marked = if size as usize <= FEW { 0 } else { pool };
                let floyd = Floyd { pool, last_picked: vec![0; marked as usize], draws: 0 };
                Self::Floyd { floyd, picked: vec![0; size as usize] }
            }
        }
    }

    /// How many sets [`EvaluatorDraw::draw`] chooses from by a number; 1 where it draws numbers of its own.
    pub(crate) fn sets(&self) -> u32 {
        match self {
            Self::Table { count, .. } => *count,
            Self::Floyd { .. } => 1,
        }
    }

    /// Words that [`EvaluatorDraw::draw`] takes at least.
    pub(crate) fn words(&self) -> usize {
        match self {
            Self::Table { .. } => 0,
            Self::Floyd { picked, .. } => picked.len(),
        }
    }

    /// The set of evaluators with number `set`, which is uniform below [`EvaluatorDraw::sets`], or one drawn from
    /// `stream`.
    #[inline(always)]
    pub(crate) fn draw(&mut self, set: u32, stream: &mut Stream) -> &[u32] {
        match self {
            Self::Table { sets, size, .. } => set_of(sets, *size, set),
            Self::Floyd { floyd, picked } => {
                floyd.draw(picked, stream);
                picked
            }
        }
    }

    /// As [`EvaluatorDraw::draw`], with the set written to `picked`, which has its size. A `K` above 0 is that size.
    #[inline(always)]
    pub(crate) fn draw_into<const K: usize>(&mut self, set: u32, words: &mut impl Words, picked: &mut [u32]) {
        match (self, picked.first_chunk_mut::<K>()) {
            (Self::Table { sets, size, .. }, _) => picked.copy_from_slice(set_of(sets, *size, set)),
            (Self::Floyd { floyd, .. }, Some(few)) if K > 0 && K <= FEW => *few = floyd.draw_few(words),
            (Self::Floyd { floyd, .. }, _) => floyd.draw(picked, words),
        }
    }
}

/// Set `number` of the table.
fn set_of(sets: &[u32], size: usize, number: u32) -> &[u32] {
    let start = number as usize * size;
    &sets[start..start + size]
}

/// Floyd's method (Bentley and Floyd 1987): exactly K draws.
#[derive(Debug)]
pub(crate) struct Floyd {
    pool: u32,
    /// By evaluator: the draw (from 1) for which it was last picked; empty where K is so small that comparing tells.
    last_picked: Vec<u64>,
    draws: u64,
}

impl Floyd {
    /// At most [`FEW`] picks, without a branch and without memory.
    #[inline(always)]
    fn draw_few<const K: usize>(&self, words: &mut impl Words) -> [u32; K] {
        let mut picked = [0; K];
        for slot in 0..K {
            let last = self.pool - (K - slot) as u32;
            let pick = words.number_below(last + 1);
            let is_picked = picked[..slot].iter().fold(false, |is_picked, &other| is_picked | (other == pick));
            picked[slot] = if is_picked { last } else { pick };
        }
        picked
    }

    #[inline(always)]
    fn draw(&mut self, picked: &mut [u32], words: &mut impl Words) {
        self.draws += 1;
        let first = self.pool - picked.len() as u32;
        let is_few = picked.len() <= FEW;
        for (slot, last) in (0..picked.len()).zip(first..) {
            let mut pick = words.number_below(last + 1);
            let is_picked =
                if is_few { picked[..slot].contains(&pick) } else { self.last_picked[pick as usize] == self.draws };
            if is_picked {
                pick = last;
            }
            if !is_few {
                self.last_picked[pick as usize] = self.draws;
            }
            picked[slot] = pick;
        }
    }
}

/// Binomial coefficient, if it is at most [`MAX_SETS`].
fn number_of_sets(pool: u32, size: u32) -> Option<u32> {
    let mut count = 1_u64;
    for step in 0..u64::from(size.min(pool - size)) {
        count = count * (u64::from(pool) - step) / (step + 1);
        if count > u64::from(MAX_SETS) {
            return None;
        }
    }
    Some(count as u32)
}

/// Every set of `size` of `0..pool`, in lexicographic order.
fn all_sets(pool: u32, size: u32) -> Vec<u32> {
    let mut set: Vec<u32> = (0..size).collect();
    let mut sets = Vec::new();
    loop {
        sets.extend_from_slice(&set);
        // The last member that can still go up.
        let Some(at) = (0..set.len()).rev().find(|&at| set[at] < pool - size + at as u32) else {
            return sets;
        };
        let start = set[at] + 1;
        for (member, value) in set[at..].iter_mut().zip(start..) {
            *member = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    #[test]
    fn tables_hold_every_set_once() {
        assert_eq!(all_sets(4, 2), [0, 1, 0, 2, 0, 3, 1, 2, 1, 3, 2, 3]);
        assert_eq!(all_sets(3, 3), [0, 1, 2]);
        for (pool, size) in [(5, 3), (12, 6), (15, 5), (1, 1), (4096, 1)] {
            let count = number_of_sets(pool, size).expect("few sets");
            assert_eq!(all_sets(pool, size).len(), (count * size) as usize, "{pool} {size}");
        }
        assert_eq!(number_of_sets(100_000, 50_000), None);
        assert_eq!(number_of_sets(4097, 1), None);
    }

    /// Sets written down are those drawn, from as many words.
    #[test]
    fn sets_are_the_same_written_down() {
        fn check<const K: usize>(pool: u32, size: usize) {
            let [mut draw, mut same] = [0; 2].map(|_| EvaluatorDraw::new(pool, size as u32));
            let [mut stream, mut other] = [0; 2].map(|_| Stream::new(5, Purpose::Draws));
            let mut written = vec![0; size];
            for _ in 0..300 {
                let set = stream.below(draw.sets());
                let before = stream.words();
                assert_eq!(other.below(draw.sets()), set);
                same.draw_into::<K>(set, &mut other, &mut written);
                assert_eq!(draw.draw(set, &mut stream), written, "{size} of {pool}");
                assert!(stream.words() - before >= draw.words() as u64);
                assert_eq!(other.words(), stream.words());
            }
        }
        check::<3>(5, 3);
        check::<3>(40, 3);
        check::<0>(40, 3);
        check::<33>(34, 33);
        check::<33>(90, 33);
        check::<0>(90, 40);
    }

    /// Both ways give distinct members, each evaluator equally often.
    #[test]
    fn every_evaluator_is_drawn_equally_often() {
        for (pool, size) in [(6, 3), (40, 5), (80, 40)] {
            let mut draw = EvaluatorDraw::new(pool, size);
            assert_eq!(matches!(draw, EvaluatorDraw::Table { .. }), pool == 6);
            let mut stream = Stream::new(3, Purpose::Draws);
            let mut counts = vec![0_u32; pool as usize];
            for _ in 0..20_000 {
                let number = stream.below(draw.sets());
                let mut set = draw.draw(number, &mut stream).to_vec();
                set.iter().for_each(|&evaluator| counts[evaluator as usize] += 1);
                set.sort_unstable();
                set.dedup();
                assert_eq!(set.len(), size as usize);
            }
            let p = f64::from(size) / f64::from(pool);
            let five_sd = 5.0 * (20_000.0 * p * (1.0 - p)).sqrt();
            assert!(counts.iter().all(|&count| (f64::from(count) - 20_000.0 * p).abs() < five_sd), "{counts:?}");
        }
    }
}
