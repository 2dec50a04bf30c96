//! Markers: eight shapes, each with a colour of its own.

use yew::prelude::*;

use super::{CLASSES, px};

/// The outline of marker `index` around the origin, about `r` in every direction.
#[must_use]
pub fn path(index: usize, r: f64) -> String {
    let polygon = |corners: &[(f64, f64)]| {
        let points: Vec<String> = corners.iter().map(|&(x, y)| format!("{},{}", px(x * r), px(y * r))).collect();
        format!("M{}Z", points.join("L"))
    };
    match index % CLASSES {
        0 => format!("M{0},0A{r},{r} 0 1 1 {1},0A{r},{r} 0 1 1 {0},0Z", px(-r), px(r)),
        1 => polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        2 => polygon(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
        3 => polygon(&[(0.0, -1.3), (1.1, 0.0), (0.0, 1.3), (-1.1, 0.0)]),
        4 => polygon(&[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
        5 => polygon(&[
            (-0.4, -1.2),
            (0.4, -1.2),
            (0.4, -0.4),
            (1.2, -0.4),
            (1.2, 0.4),
            (0.4, 0.4),
            (0.4, 1.2),
            (-0.4, 1.2),
            (-0.4, 0.4),
            (-1.2, 0.4),
            (-1.2, -0.4),
            (-0.4, -0.4),
        ]),
        6 => polygon(&[(0.0, -1.2), (1.15, -0.35), (0.7, 1.0), (-0.7, 1.0), (-1.15, -0.35)]),
        _ => polygon(&[(-1.2, -0.5), (1.2, -0.5), (1.2, 0.5), (-1.2, 0.5)]),
    }
}

/// Marker `index` at a place.
pub fn marker(index: usize, x: f64, y: f64, r: f64) -> Html {
    html! {
        <path class={classes!("mark", format!("c{}", index % CLASSES))} d={path(index, r)}
            transform={format!("translate({},{})", px(x), px(y))} />
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_differ() {
        let shapes: Vec<String> = (0..CLASSES).map(|index| path(index, 5.0)).collect();
        for (index, shape) in shapes.iter().enumerate() {
            assert!(shapes[..index].iter().all(|other| other != shape));
        }
    }
}
