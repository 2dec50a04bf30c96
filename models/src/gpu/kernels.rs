//! What runs on the GPU, for each of its units. Launched by [`super::ops`].
//!
//! No more than barriers and shared memory is asked of a device: no subgroups, no matrix units, so that every adapter
//! of a browser has it, and an emulated one is quick too. Numbers are read in fours along a row, as files hold them.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use crate::layers::fused::HIDDEN;

/// Four neighbours of a row.
type Four<F> = Vector<F, Const<4>>;

/// Rows and outputs of a unit in [`linear`]: each number that it reads is used this often.
pub(super) const TILE: u32 = 4;

/// Units to a side of a cube in [`linear`]: neighbours read the same rows, and so from the cache.
pub(super) const SIDE: u32 = 8;

/// Units that compute together in [`row_linear`] and [`norm`]: together they read what a GPU fetches at once.
pub(super) const TEAM: u32 = 8;

/// Teams in a cube.
pub(super) const TEAMS: u32 = 8;

/// Units that share the tokens which a token attends to in [`cached_attention`].
pub(super) const READERS: u32 = 16;

/// Fours of a head at most in [`cached_attention`], whose units each keep a head of sums in the memory that a cube
/// shares: half of what every adapter has.
pub(super) const MAX_HEAD_FOURS: u32 = 32;

/// Below it a gate is shut: `silu` is nothing beside the numbers of a row, and `exp` of its negative nears the end of
/// f32.
const LEAST_GATE: f32 = -80.0;

/// What becomes of a linear layer's sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Activation {
    None,
    /// With the error function.
    Gelu,
}

/// `x W^T (+ bias)`, a tile of it in each unit: `x` is `[rows, inputs]`, `weight` is `[outputs, inputs]`, both in fours, `y` is
/// `[rows, outputs]`. Sums are f32 whatever the weights are.
#[cube(launch_unchecked)]
pub(super) fn linear<F: Float>(
    x: &[Four<f32>],
    weight: &[Four<F>],
    bias: ComptimeOption<&[f32]>,
    y: &mut [f32],
    rows: u32,
    outputs: u32,
    fours: u32,
    #[comptime] activation: Activation,
) {
    let first_output = ABSOLUTE_POS_X * TILE;
    let first_row = ABSOLUTE_POS_Y * TILE;
    if first_output >= outputs || first_row >= rows {
        terminate!();
    }
    let fours = fours as usize;
    let mut sums = Array::<f32>::new(comptime!((TILE * TILE) as usize));
    let mut x_start = Array::<usize>::new(comptime!(TILE as usize));
    let mut weight_start = Array::<usize>::new(comptime!(TILE as usize));
    #[unroll]
    for i in 0..TILE {
        // Beyond the end the last is computed again, and not kept.
        x_start[i as usize] = clamp_max(first_row + i, rows - 1) as usize * fours;
        weight_start[i as usize] = clamp_max(first_output + i, outputs - 1) as usize * fours;
    }
    #[unroll]
    for i in 0..comptime!(TILE * TILE) {
        sums[i as usize] = 0.0;
    }
    for k in 0..fours {
        let mut of_x = Array::<Four<f32>>::new(comptime!(TILE as usize));
        #[unroll]
        for row in 0..TILE {
            of_x[row as usize] = x[x_start[row as usize] + k];
        }
        #[unroll]
        for output in 0..TILE {
            let of_weight = Four::<f32>::cast_from(weight[weight_start[output as usize] + k]);
            #[unroll]
            for row in 0..TILE {
                sums[(row * TILE + output) as usize] += of_x[row as usize].dot(of_weight);
            }
        }
    }
    #[unroll]
    for row in 0..TILE {
        #[unroll]
        for output in 0..TILE {
            if first_row + row < rows && first_output + output < outputs {
                let sum = sums[(row * TILE + output) as usize];
                let sum = finished(sum, &bias, first_output + output, activation);
                y[((first_row + row) * outputs + first_output + output) as usize] = sum;
            }
        }
    }
}

/// [`linear`] for one row: a team of units for each [`TILE`] of outputs, which read neighbouring fours of their
/// weights.
#[cube(launch_unchecked)]
pub(super) fn row_linear<F: Float>(
    x: &[Four<f32>],
    weight: &[Four<F>],
    bias: ComptimeOption<&[f32]>,
    y: &mut [f32],
    outputs: u32,
    fours: u32,
    #[comptime] activation: Activation,
) {
    let mut parts = Shared::<[f32]>::new_slice(comptime!((TEAMS * TEAM * TILE) as usize));
    let first_output = (CUBE_POS_X * TEAMS + UNIT_POS_Y) * TILE;
    let mut sums = Array::<f32>::new(comptime!(TILE as usize));
    #[unroll]
    for i in 0..TILE {
        sums[i as usize] = 0.0;
    }
    for k in range_stepped(UNIT_POS_X, fours, TEAM) {
        let of_x = x[k as usize];
        #[unroll]
        for i in 0..TILE {
            let start = clamp_max(first_output + i, outputs - 1) * fours;
            sums[i as usize] += of_x.dot(Four::<f32>::cast_from(weight[(start + k) as usize]));
        }
    }
    #[unroll]
    for i in 0..TILE {
        parts[(UNIT_POS * TILE + i) as usize] = sums[i as usize];
    }
    sync_cube();
    let output = first_output + UNIT_POS_X;
    if UNIT_POS_X < TILE && output < outputs {
        let mut sum = 0.0f32;
        #[unroll]
        for unit in 0..TEAM {
            sum += parts[((UNIT_POS_Y * TEAM + unit) * TILE + UNIT_POS_X) as usize];
        }
        y[output as usize] = finished(sum, &bias, output, activation);
    }
}

#[cube]
fn clamp_max(value: u32, max: u32) -> u32 {
    select(value < max, value, max)
}

#[cube]
fn finished(sum: f32, bias: &ComptimeOption<&[f32]>, output: u32, #[comptime] activation: Activation) -> f32 {
    let bias: ComptimeOption<f32> = bias.as_ref().map(|bias| bias[output as usize]);
    let sum = sum + bias.unwrap_or(0.0f32);
    match activation {
        Activation::None => sum,
        Activation::Gelu => 0.5 * sum * (1.0 + Erf::erf(sum * comptime!(std::f32::consts::FRAC_1_SQRT_2))),
    }
}

/// Attention of texts of `seq` tokens to themselves, for each token and head: `all` has queries, keys and values of a
/// token side by side, `[batch * seq, 3 * heads * head_dim]` in fours, `hidden_scores` is `[batch, seq]`, `mixed` is
/// `[batch * seq, heads * head_dim]`.
#[cube(launch_unchecked)]
pub(super) fn attention(
    all: &[Four<f32>],
    hidden_scores: &[f32],
    mixed: &mut [Four<f32>],
    rows: u32,
    seq: u32,
    heads: u32,
    scale: f32,
    #[comptime] head_fours: u32,
) {
    let (row, head) = (ABSOLUTE_POS_X, CUBE_POS_Y);
    if row >= rows {
        terminate!();
    }
    let part = (heads * head_fours) as usize;
    let first_token = row / seq * seq;
    let query_start = row as usize * 3 * part + (head * head_fours) as usize;
    let mut query = Array::<Four<f32>>::new(comptime!(head_fours as usize));
    let mut sums = Array::<Four<f32>>::new(comptime!(head_fours as usize));
    #[unroll]
    for i in 0..head_fours {
        query[i as usize] = all[query_start + i as usize] * Four::new(scale);
        sums[i as usize] = Four::new(0.0);
    }
    // Weights are kept relative to the highest score so far, which begins below all of hidden tokens.
    let highest = RuntimeCell::<f32>::new(2.0 * HIDDEN);
    let total = RuntimeCell::<f32>::new(0.0);
    for token in first_token..first_token + seq {
        let key_start = token as usize * 3 * part + part + (head * head_fours) as usize;
        let mut score = hidden_scores[token as usize];
        #[unroll]
        for i in 0..head_fours {
            score += query[i as usize].dot(all[key_start + i as usize]);
        }
        let before = highest.read();
        let now = f32::max(before, score);
        let kept = f32::exp(before - now);
        let weight = f32::exp(score - now);
        highest.store(now);
        total.store(total.read() * kept + weight);
        #[unroll]
        for i in 0..head_fours {
            let value = all[key_start + part + i as usize];
            sums[i as usize] = sums[i as usize] * Four::new(kept) + value * Four::new(weight);
        }
    }
    let start = row as usize * part + (head * head_fours) as usize;
    #[unroll]
    for i in 0..head_fours {
        mixed[start + i as usize] = sums[i as usize] / Four::new(total.read());
    }
}

/// What a normalisation does with the mean of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mean {
    /// It is subtracted (layer normalisation).
    Subtracted,
    /// It stays (root mean square normalisation).
    Kept,
}

/// Normalisation of each row of `x`, `[rows, columns]` in fours, by a team of units: with `weight` and `bias` of
/// `[columns]`.
#[cube(launch_unchecked)]
pub(super) fn norm(
    x: &[Four<f32>],
    weight: &[Four<f32>],
    bias: ComptimeOption<&[Four<f32>]>,
    y: &mut [Four<f32>],
    rows: u32,
    fours: u32,
    epsilon: f32,
    #[comptime] mean: Mean,
) {
    let mut parts = Shared::<[f32]>::new_slice(comptime!((TEAM * TEAMS) as usize));
    let row = CUBE_POS_X * TEAMS + UNIT_POS_Y;
    let start = clamp_max(row, rows - 1) * fours;
    let columns = f32::cast_from(4 * fours);
    let centre = match mean {
        Mean::Kept => f32::new(0.0),
        Mean::Subtracted => {
            let mut sum = 0.0f32;
            for i in range_stepped(UNIT_POS_X, fours, TEAM) {
                sum += x[(start + i) as usize].vector_sum();
            }
            team_sum(&mut parts, sum) / columns
        }
    };
    let mut sum = 0.0f32;
    for i in range_stepped(UNIT_POS_X, fours, TEAM) {
        let value = x[(start + i) as usize] - Four::new(centre);
        sum += value.dot(value);
    }
    let variance = team_sum(&mut parts, sum) / columns;
    let scale = 1.0 / f32::sqrt(variance + epsilon);
    if row < rows {
        for i in range_stepped(UNIT_POS_X, fours, TEAM) {
            let value = (x[(start + i) as usize] - Four::new(centre)) * Four::new(scale) * weight[i as usize];
            let bias: ComptimeOption<Four<f32>> = bias.as_ref().map(|bias| bias[i as usize]);
            y[(start + i) as usize] = value + bias.unwrap_or(Four::new(0.0));
        }
    }
}

/// The sum of the values that a unit's team has.
#[cube]
fn team_sum(parts: &mut Shared<[f32]>, value: f32) -> f32 {
    parts[UNIT_POS as usize] = value;
    sync_cube();
    let mut sum = 0.0f32;
    #[unroll]
    for unit in 0..TEAM {
        sum += parts[(UNIT_POS_Y * TEAM + unit) as usize];
    }
    // The next sum is not written before all have read this one.
    sync_cube();
    sum
}

/// `silu(gate) * up`: `both` is `[rows, 2 * columns]` in fours, gates before ups, `y` is `[rows, columns]`.
#[cube(launch_unchecked)]
pub(super) fn gated(both: &[Four<f32>], y: &mut [Four<f32>], rows: u32, fours: u32) {
    let position = ABSOLUTE_POS_X;
    if position >= rows * fours {
        terminate!();
    }
    let start = position / fours * 2 * fours + position % fours;
    let gate = both[start as usize];
    let up = both[(start + fours) as usize];
    let bounded = <Four<f32> as FloatOps>::max(gate, Four::new(LEAST_GATE));
    y[position as usize] = gate / (Four::new(1.0) + Four::exp(-bounded)) * up;
}

/// Rotary positions: each pair of neighbours of the first `heads` of `all` (`[seq, all_heads, head_dim]` in fours)
/// turned by its angle, of which `cos` and `sin` are `[seq, head_dim]` in fours.
#[cube(launch_unchecked)]
pub(super) fn turn(
    all: &[Four<f32>],
    cos: &[Four<f32>],
    sin: &[Four<f32>],
    turned: &mut [Four<f32>],
    seq: u32,
    heads: u32,
    all_heads: u32,
    head_fours: u32,
) {
    let position = ABSOLUTE_POS_X;
    if position >= seq * heads * head_fours {
        terminate!();
    }
    let (of_row, row) = (position % (heads * head_fours), position / (heads * head_fours));
    let x = all[(row * all_heads * head_fours + of_row) as usize];
    let mut partner = Four::<f32>::empty();
    partner.insert(0usize, -x.extract(1usize));
    partner.insert(1usize, x.extract(0usize));
    partner.insert(2usize, -x.extract(3usize));
    partner.insert(3usize, x.extract(2usize));
    let angle = (row * head_fours + of_row % head_fours) as usize;
    turned[position as usize] = x * cos[angle] + partner * sin[angle];
}

/// Attention of the last tokens of a text to themselves and all before them, a cube for each token and head: `turned`
/// begins each row with the queries, `[seq, turning_heads, head_dim]` in fours, `keys` and `values` are `[kv_heads,
/// room, head_dim]`, of which the first
/// `start + seq` tokens count, `mixed` is `[seq, heads * head_dim]`.
#[cube(launch_unchecked)]
pub(super) fn cached_attention(
    turned: &[Four<f32>],
    keys: &[Four<f32>],
    values: &[Four<f32>],
    mixed: &mut [Four<f32>],
    heads: u32,
    kv_heads: u32,
    turning_heads: u32,
    room: u32,
    start: u32,
    scale: f32,
    #[comptime] head_fours: u32,
) {
    let mut all_highest = Shared::<[f32]>::new_slice(comptime!(READERS as usize));
    let mut all_totals = Shared::<[f32]>::new_slice(comptime!(READERS as usize));
    let mut all_sums = Shared::<[Four<f32>]>::new_slice(comptime!((READERS * head_fours) as usize));
    let (row, head) = (CUBE_POS_X, CUBE_POS_Y);
    let query_start = ((row * turning_heads + head) * head_fours) as usize;
    let mut query = Array::<Four<f32>>::new(comptime!(head_fours as usize));
    let mut sums = Array::<Four<f32>>::new(comptime!(head_fours as usize));
    #[unroll]
    for i in 0..head_fours {
        query[i as usize] = turned[query_start + i as usize] * Four::new(scale);
        sums[i as usize] = Four::new(0.0);
    }
    // Query heads of a group share keys and values.
    let first_token = head / (heads / kv_heads) * room;
    // Weights are kept relative to the highest score so far.
    let highest = RuntimeCell::<f32>::new(HIDDEN);
    let total = RuntimeCell::<f32>::new(0.0);
    for token in range_stepped(UNIT_POS_X, start + row + 1, READERS) {
        let key_start = ((first_token + token) * head_fours) as usize;
        let mut score = 0.0f32;
        #[unroll]
        for i in 0..head_fours {
            score += query[i as usize].dot(keys[key_start + i as usize]);
        }
        let before = highest.read();
        let now = f32::max(before, score);
        let kept = f32::exp(before - now);
        let weight = f32::exp(score - now);
        highest.store(now);
        total.store(total.read() * kept + weight);
        #[unroll]
        for i in 0..head_fours {
            let value = values[key_start + i as usize];
            sums[i as usize] = sums[i as usize] * Four::new(kept) + value * Four::new(weight);
        }
    }
    all_highest[UNIT_POS_X as usize] = highest.read();
    all_totals[UNIT_POS_X as usize] = total.read();
    #[unroll]
    for i in 0..head_fours {
        all_sums[(UNIT_POS_X * head_fours + i) as usize] = sums[i as usize];
    }
    sync_cube();
    let mut highest = all_highest[0];
    #[unroll]
    for unit in 1..READERS {
        highest = f32::max(highest, all_highest[unit as usize]);
    }
    let mut total = 0.0f32;
    #[unroll]
    for unit in 0..READERS {
        total += all_totals[unit as usize] * f32::exp(all_highest[unit as usize] - highest);
    }
    for i in range_stepped(UNIT_POS_X, head_fours, READERS) {
        let mut sum = Four::new(0.0f32);
        #[unroll]
        for unit in 0..READERS {
            let weight = f32::exp(all_highest[unit as usize] - highest);
            sum += all_sums[(unit * head_fours + i) as usize] * Four::new(weight);
        }
        mixed[((row * heads + head) * head_fours + i) as usize] = sum / Four::new(total);
    }
}
