//! Routing by past reward: who earned more is asked more often.

use crate::rng::Stream;

/// How far the exponents of the weights may lie above their reference before the weights are made anew.
const HEADROOM: f64 = 300.0;

/// Draws inference nodes by the softmax of their mean past rewards: `P(f) ~ exp(mean_f / temperature)`, where a node's
/// mean counts `prior` as one payment that it had before the first round.
///
/// A tree of sums, so that a draw and an update take time logarithmic in the nodes.
#[derive(Debug)]
pub(crate) struct Router {
    temperature: f64,
    /// By node: sum and number of its rewards, the prior included.
    past: Vec<(f64, f64)>,
    /// What exponents are taken relative to.
    reference: f64,
    /// Node `i` of the tree has children `2 i` and `2 i + 1`; the leaves stand in the second half.
    sums: Vec<f64>,
    leaves: usize,
}

impl Router {
    pub(crate) fn new(nodes: usize, temperature: f64, prior: f64) -> Self {
        let leaves = nodes.next_power_of_two();
        let mut router = Self {
            temperature,
            past: vec![(prior, 1.0); nodes],
            reference: prior / temperature,
            sums: vec![0.0; 2 * leaves],
            leaves,
        };
        router.rebuild();
        router
    }

    /// A node drawn by the weights.
    pub(crate) fn draw(&self, stream: &mut Stream) -> usize {
        // In `(0, total]`: a leaf without weight is never reached but by rounding.
        let mut target = stream.unit_open_left() * self.sums[1];
        let mut at = 1;
        while at < self.leaves {
            at *= 2;
            if target > self.sums[at] && self.sums[at + 1] > 0.0 {
                target -= self.sums[at];
                at += 1;
            }
        }
        at - self.leaves
    }

    /// Keeps account of a reward.
    pub(crate) fn paid(&mut self, node: usize, reward: f64) {
        let (sum, count) = &mut self.past[node];
        *sum += reward;
        *count += 1.0;
        let exponent = self.exponent(node);
        if exponent > HEADROOM {
            self.rebuild();
            return;
        }
        let mut at = self.leaves + node;
        self.sums[at] = libm::exp(exponent);
        while at > 1 {
            at /= 2;
            self.sums[at] = self.sums[2 * at] + self.sums[2 * at + 1];
        }
        // The weights have sunk so far that what is left of them is imprecise.
        if self.sums[1] < libm::exp(-HEADROOM) {
            self.rebuild();
        }
    }

    fn exponent(&self, node: usize) -> f64 {
        let (sum, count) = self.past[node];
        sum / count / self.temperature - self.reference
    }

    /// Every weight anew, relative to the largest.
    fn rebuild(&mut self) {
        let largest = (0..self.past.len()).map(|node| self.exponent(node)).fold(f64::NEG_INFINITY, f64::max);
        self.reference += largest;
        for node in 0..self.past.len() {
            self.sums[self.leaves + node] = libm::exp(self.exponent(node));
        }
        for at in (1..self.leaves).rev() {
            self.sums[at] = self.sums[2 * at] + self.sums[2 * at + 1];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    fn shares(router: &Router, nodes: usize) -> Vec<f64> {
        let mut stream = Stream::new(5, Purpose::Draws);
        let mut counts = vec![0.0; nodes];
        for _ in 0..40_000 {
            counts[router.draw(&mut stream)] += 1.0 / 40_000.0;
        }
        counts
    }

    #[test]
    fn nodes_are_drawn_by_the_softmax_of_their_means() {
        for nodes in [1, 3, 5] {
            let mut router = Router::new(nodes, 0.2, 0.5);
            assert!(shares(&router, nodes).iter().all(|share| (share - 1.0 / nodes as f64).abs() < 0.015));
            // The mean of prior 0.5 and two payments of 0.2 is 0.3.
            router.paid(0, 0.2);
            router.paid(0, 0.2);
            let weight = ((0.3_f64 - 0.5) / 0.2).exp();
            let want = weight / (weight + (nodes - 1) as f64);
            assert!((shares(&router, nodes)[0] - want).abs() < 0.015, "{nodes}");
        }
    }

    /// Weights that would leave the range of numbers are taken relative to the largest.
    #[test]
    fn rewards_far_apart_stay_within_numbers() {
        let mut router = Router::new(3, 0.001, 0.0);
        router.paid(1, 1000.0);
        assert_eq!(
            shares(&router, 3),
            [0.0, 1.0, 0.0].map(|share: f64| if share > 0.0 { shares(&router, 3)[1] } else { 0.0 })
        );
        for _ in 0..100_000 {
            router.paid(1, -1000.0);
        }
        assert!(router.sums[1].is_finite() && router.sums[1] > 0.0);
        let left = shares(&router, 3);
        assert!(left[1] == 0.0 && (left[0] - 0.5).abs() < 0.015, "{left:?}");
    }
}
