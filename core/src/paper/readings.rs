//! How the papers' words are read: the bounds that a claim is held against, each named once. All are assumed.

/// By more than this one figure is more, or better, than another: in points of consensus, in correlations and in
/// rewards. Published figures have two digits, in which less does not show.
pub(super) const MATTERS: f64 = 0.01;
/// How far a figure of two digits, such as 0.66, may be from the published one, and how far "about level" may move:
/// two steps of the last digit.
pub(super) const TOLERANCE: f64 = 0.02;
/// How far a ratio may be from the published "about 7": what rounds to 7.
pub(super) const RATIO_TOLERANCE: f64 = 0.5;
/// Up to this a correlation is near zero, and the difference of two is none to speak of.
pub(super) const NEAR_ZERO: f64 = 0.1;
/// By more than this a correlation is far better than another: half of what is published, 0.66 against near zero.
pub(super) const FAR: f64 = 0.3;
/// Above this share it is nearly all.
pub(super) const NEARLY_ALL: f64 = 0.95;
/// Within so many points two rules of consensus are the same.
pub(super) const SAME: f64 = 0.05;
/// Where a claim names a direction alone, whatever is surely there counts.
pub(super) const DIRECTION: f64 = 0.0;
/// A ratio above this is more, below it less.
pub(super) const PARITY: f64 = 1.0;
