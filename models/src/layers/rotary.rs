//! Rotary positions: pairs of a head's numbers are turned by an angle that grows with the position in the text.

use burn::tensor::{Device, Tensor, TensorData};

use super::fused::Positions;

/// Which numbers of a head are a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pairs {
    /// 2i and 2i + 1, as GGUF files of the architecture `llama` have them.
    Neighbours,
    /// i and i + half of them, as most other files do.
    Halves,
}

impl Pairs {
    /// For each place in a head of which neighbours are pairs: the number of a file's head that stands there. Queries
    /// and keys that are read in this order have the same products as in the file's.
    pub(crate) fn order(self, head_dim: usize) -> impl Iterator<Item = usize> {
        (0..head_dim).map(move |place| match self {
            Self::Neighbours => place,
            Self::Halves => place / 2 + place % 2 * (head_dim / 2),
        })
    }
}

/// How fast the pairs of a head turn.
#[derive(Debug, Clone)]
pub(crate) struct Rotary {
    /// Turn per position, for each pair.
    frequencies: Vec<f64>,
    /// What turned numbers are multiplied with besides.
    scale: f64,
}

impl Rotary {
    /// Pair i of a head turns by `base^(-2i / head_dim) / factor` for each position; there is one factor for each pair.
    pub(crate) fn new(base: f64, factors: &[f64], scale: f64) -> Self {
        let pairs = factors.len();
        let turn = |(pair, factor): (usize, &f64)| libm::pow(base, -(pair as f64) / pairs as f64) / factor;
        Self { frequencies: factors.iter().enumerate().map(turn).collect(), scale }
    }

    /// The turns of `seq` positions from `start` on, for heads in which neighbours are pairs; each looks back at
    /// `window` positions, its own among them, or at all.
    pub(crate) fn positions(&self, start: usize, seq: usize, window: Option<usize>, device: &Device) -> Positions {
        let angles = || {
            (start..start + seq).flat_map(|position| {
                // Both numbers of a pair turn by the same angle.
                self.frequencies.iter().flat_map(move |frequency| [position as f64 * frequency; 2])
            })
        };
        let head_dim = 2 * self.frequencies.len();
        let table = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [seq, 1, head_dim]), device);
        let cos = table(angles().map(|angle| (self.scale * libm::cos(angle)) as f32).collect());
        let sin = table(angles().map(|angle| (self.scale * libm::sin(angle)) as f32).collect());
        Positions::new(cos, sin, start, window)
    }
}

/// `[head_dim, head_dim]`: takes each number to its partner in its pair, `(a, b)` to `(-b, a)`, where neighbours are
/// pairs.
pub(crate) fn rotation(head_dim: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0_f32; head_dim * head_dim];
    for pair in (0..head_dim).step_by(2) {
        values[(pair + 1) * head_dim + pair] = -1.0;
        values[pair * head_dim + pair + 1] = 1.0;
    }
    Tensor::from_data(TensorData::new(values, [head_dim, head_dim]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_read_as_neighbours() {
        assert_eq!(Pairs::Halves.order(6).collect::<Vec<_>>(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(Pairs::Neighbours.order(4).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
}
