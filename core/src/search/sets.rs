//! Who may attack: sets of nodes, in which nodes that differ in nothing but their names are one sort.

use crate::network::Instance;

/// Sorts that are tried in the place of a member, and members that give way, in one pass of exchanges.
const EXCHANGED: usize = 16;

/// A set of nodes, by sort: how many of it.
pub(super) type Members = Vec<u32>;

/// Nodes that may attack, by sort.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sorts {
    /// By sort: the names of its nodes.
    names: Vec<Vec<String>>,
}

impl Sorts {
    /// Sorts of `nodes`, in the order of the first of each.
    pub(super) fn of<'a>(nodes: impl Iterator<Item = &'a Instance>) -> Self {
        let of = |node: &Instance| (node.model, node.latency_factor, node.score_noise_sd, node.stake, node.attack);
        let mut first: Vec<&Instance> = Vec::new();
        let mut sorts = Self::default();
        for node in nodes {
            let sort = first.iter().position(|other| of(other) == of(node)).unwrap_or_else(|| {
                first.push(node);
                sorts.names.push(Vec::new());
                first.len() - 1
            });
            sorts.names[sort].push(node.id.clone());
        }
        sorts
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The first of each sort.
    pub(super) fn first(&self) -> impl Iterator<Item = &String> {
        self.names.iter().filter_map(|names| names.first())
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.names.iter().map(Vec::len).sum()
    }

    /// How many nodes are of that sort.
    pub(super) fn size(&self, sort: usize) -> u32 {
        self.names[sort].len() as u32
    }

    /// The first node of a sort, by itself.
    pub(super) fn alone(&self, sort: usize) -> Self {
        Self { names: vec![self.names[sort][..1].to_vec()] }
    }

    /// The names of a set's nodes: of each sort the first.
    pub(super) fn members(&self, set: &[u32]) -> Vec<String> {
        let of = |(names, &count): (&Vec<String>, &u32)| names[..count as usize].to_vec();
        self.names.iter().zip(set).flat_map(of).collect()
    }

    /// How many sets of `size` nodes differ in more than names.
    pub(super) fn count(&self, size: u32) -> f64 {
        // By number of nodes: the sets among the sorts so far.
        let mut sets = vec![0.0; size as usize + 1];
        sets[0] = 1.0;
        for names in &self.names {
            let before = sets.clone();
            // The sum of as many of those before as the sort has nodes, and one.
            let mut sum = 0.0;
            for (nodes, count) in sets.iter_mut().enumerate() {
                sum += before[nodes];
                if nodes > names.len() {
                    sum -= before[nodes - names.len() - 1];
                }
                *count = sum;
            }
        }
        sets[size as usize]
    }

    /// All sets of `size` nodes; for use where [`Sorts::count`] is small.
    pub(super) fn all(&self, size: u32) -> Vec<Members> {
        let mut sets: Vec<(Members, u32)> = vec![(Vec::new(), size)];
        let mut left = self.nodes() as u32;
        for sort in 0..self.len() {
            left -= self.size(sort);
            let mut longer = Vec::new();
            for (set, missing) in sets {
                // The sorts that follow must be able to fill what is missing.
                for count in (missing.saturating_sub(left)..=missing.min(self.size(sort))).rev() {
                    longer.push(([&set[..], &[count]].concat(), missing - count));
                }
            }
            sets = longer;
        }
        sets.into_iter().map(|(set, _)| set).collect()
    }

    /// The sets that `set` and so many nodes more make: of one sort, and of the sorts after it where it has too few.
    pub(super) fn grown(&self, set: &[u32], by: u32) -> Vec<Members> {
        let from = |first: usize| {
            let (mut grown, mut missing) = (set.to_vec(), by);
            for sort in (first..self.len()).chain(0..first) {
                let more = missing.min(self.size(sort) - grown[sort]);
                grown[sort] += more;
                missing -= more;
            }
            grown
        };
        let mut sets: Vec<Members> = Vec::new();
        for sort in (0..self.len()).filter(|&sort| set[sort] < self.size(sort)) {
            let grown = from(sort);
            if !sets.contains(&grown) {
                sets.push(grown);
            }
        }
        sets
    }

    /// The sets in which one node, or as many as can, give way to those of another sort; `ranked` are all sorts, the
    /// most promising first.
    pub(super) fn exchanged(&self, set: &[u32], ranked: &[usize]) -> Vec<Members> {
        let leaving = ranked.iter().rev().filter(|&&sort| set[sort] > 0).take(EXCHANGED);
        let joining = || ranked.iter().filter(|&&sort| set[sort] < self.size(sort)).take(EXCHANGED);
        let mut sets = Vec::new();
        for &leaves in leaving {
            for &joins in joining().filter(|&&joins| joins != leaves) {
                let most = set[leaves].min(self.size(joins) - set[joins]);
                let mut counts = vec![1, most];
                counts.dedup();
                for count in counts {
                    let mut other = set.to_vec();
                    other[leaves] -= count;
                    other[joins] += count;
                    sets.push(other);
                }
            }
        }
        sets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three nodes of one sort, two of another, one of a third.
    fn sorts() -> Sorts {
        let node = |id: &str, model| Instance { id: id.to_owned(), model, ..Instance::default() };
        let nodes = [node("a#1", 0), node("b#1", 1), node("a#2", 0), node("c", 2), node("b#2", 1), node("a#3", 0)];
        Sorts::of(nodes.iter())
    }

    #[test]
    fn alike_nodes_are_one_sort() {
        let sorts = sorts();
        assert_eq!((sorts.len(), sorts.nodes(), sorts.size(0)), (3, 6, 3));
        assert_eq!(sorts.members(&[2, 0, 1]), ["a#1", "a#2", "c"]);
        assert_eq!(Vec::from_iter(sorts.first()), ["a#1", "b#1", "c"]);
    }

    #[test]
    fn all_sets_are_as_many_as_are_counted() {
        let sorts = sorts();
        assert_eq!(sorts.all(2), [vec![2, 0, 0], vec![1, 1, 0], vec![1, 0, 1], vec![0, 2, 0], vec![0, 1, 1]]);
        for size in 0..=6 {
            let all = sorts.all(size);
            assert_eq!(all.len() as f64, sorts.count(size), "{size}");
            assert!(all.iter().all(|set| set.iter().sum::<u32>() == size));
        }
        assert_eq!((sorts.count(3), sorts.count(6)), (6.0, 1.0));
    }

    #[test]
    fn sets_grow_and_exchange_within_what_there_is() {
        let sorts = sorts();
        assert_eq!(sorts.grown(&[1, 0, 1], 1), [vec![2, 0, 1], vec![1, 1, 1]]);
        // Two of the third sort are not to be had: one of them, and one of the first, which comes next.
        assert_eq!(sorts.grown(&[0, 0, 0], 2), [vec![2, 0, 0], vec![0, 2, 0], vec![1, 0, 1]]);
        assert_eq!(sorts.exchanged(&[2, 0, 0], &[2, 1, 0]), [vec![1, 0, 1], vec![1, 1, 0], vec![0, 2, 0]]);
        for set in sorts.exchanged(&[1, 1, 1], &[0, 1, 2]) {
            assert_eq!(set.iter().sum::<u32>(), 3);
        }
        assert!(sorts.exchanged(&[3, 2, 1], &[0, 1, 2]).is_empty() && sorts.grown(&[3, 2, 1], 1).is_empty());
    }
}
