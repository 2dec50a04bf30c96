//! Labels that keep apart.

/// A rectangle: left, top, width, height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Area {
    /// Whether the two have a part in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }

    fn holds(&self, other: &Self) -> bool {
        other.x >= self.x
            && other.y >= self.y
            && other.x + other.width <= self.x + self.width
            && other.y + other.height <= self.y + self.height
    }
}

/// Height of a line of label text.
pub const LINE: f64 = 14.0;
const MARKER: f64 = 7.0;

/// The room that a point's marker takes.
#[must_use]
pub fn marker(&(x, y): &(f64, f64)) -> Area {
    Area { x: x - MARKER, y: y - MARKER, width: 2.0 * MARKER, height: 2.0 * MARKER }
}

/// Places a label of each width beside its point, within `frame` where that is possible, clear of the points and of one
/// another.
#[must_use]
pub fn beside(points: &[(f64, f64)], widths: &[f64], frame: Area) -> Vec<Area> {
    let mut obstacles: Vec<Area> = points.iter().map(marker).collect();
    let mut placed = Vec::with_capacity(points.len());
    for (&(x, y), &width) in points.iter().zip(widths) {
        let at = |dx: f64, dy: f64| {
            let left = if dx == 0.0 {
                x - width / 2.0
            } else if dx > 0.0 {
                x + MARKER + 2.0
            } else {
                x - MARKER - 2.0 - width
            };
            Area { x: left, y: y - LINE / 2.0 + dy, width, height: LINE }
        };
        let mut candidates: Vec<Area> = vec![at(1.0, 0.0), at(-1.0, 0.0), at(0.0, -LINE), at(0.0, LINE)];
        for step in 1..=6 {
            let dy = f64::from(step) * LINE;
            for (dx, dy) in [(1.0, -dy), (1.0, dy), (-1.0, -dy), (-1.0, dy), (0.0, -dy - LINE), (0.0, dy + LINE)] {
                candidates.push(at(dx, dy));
            }
        }
        let free = |area: &&Area| frame.holds(area) && !obstacles.iter().any(|other| other.overlaps(area));
        let area = candidates.iter().find(free).copied().unwrap_or_else(|| {
            let area = candidates[0];
            Area { x: area.x.min(frame.x + frame.width - width).max(frame.x), ..area }
        });
        obstacles.push(area);
        placed.push(area);
    }
    placed
}

/// Moves the middles of lines of text apart to at least `gap`, each as little as may be, within `[low, high]`.
#[must_use]
pub fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let mut at: Vec<f64> = order.iter().map(|&index| wanted[index].clamp(low, high)).collect();
    for index in 1..at.len() {
        at[index] = at[index].max(at[index - 1] + gap);
    }
    // Pushed beyond the end: back up from there.
    let mut limit = high;
    for place in at.iter_mut().rev() {
        *place = place.min(limit);
        limit = *place - gap;
    }
    let mut out = vec![0.0; wanted.len()];
    for (place, index) in at.into_iter().zip(order) {
        out[index] = place;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_beside_crowded_points_do_not_overlap() {
        let points = [(200.0, 50.0), (202.0, 52.0), (205.0, 50.0), (290.0, 50.0), (10.0, 10.0)];
        let frame = Area { x: 0.0, y: 0.0, width: 300.0, height: 200.0 };
        let placed = beside(&points, &[80.0; 5], frame);
        for (index, area) in placed.iter().enumerate() {
            assert!(frame.holds(area), "{area:?}");
            assert!(placed[..index].iter().all(|other| !other.overlaps(area)), "{placed:?}");
        }
    }

    #[test]
    fn a_label_without_room_is_still_within_the_frame() {
        let frame = Area { x: 0.0, y: 0.0, width: 50.0, height: 10.0 };
        let placed = beside(&[(40.0, 5.0)], &[48.0], frame);
        assert!(placed[0].x >= 0.0 && placed[0].x + 48.0 <= 50.0);
    }

    #[test]
    fn lines_spread_to_their_gap_and_keep_their_order() {
        let at = spread(&[10.0, 11.0, 90.0, 9.0], 12.0, 0.0, 100.0);
        assert_eq!(at, [21.0, 33.0, 90.0, 9.0]);
        let at = spread(&[99.0, 100.0], 12.0, 0.0, 100.0);
        assert_eq!(at, [88.0, 100.0]);
    }
}
