//! Threads, where the platform has them. In a page there is one, and each function runs in place.

use burn::tensor::Device;

/// Parts into which work on `device` is worth splitting: burn's CPU device runs a matrix times one row on a single
/// thread below some millions of products, and a GPU needs no help.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn parts(device: &Device) -> usize {
    if *device == crate::cpu_device() { rayon::current_num_threads().min(8) } else { 1 }
}

/// As above.
#[cfg(target_family = "wasm")]
pub(crate) fn parts(_device: &Device) -> usize {
    1
}

/// Runs `work` on a thread of the pool, from which `map` reaches the others without waking up from outside.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn in_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::scope(|_| work())
}

/// As above.
#[cfg(target_family = "wasm")]
pub(crate) fn in_pool<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Numbers that are worth sharing among threads.
#[cfg(not(target_family = "wasm"))]
const MIN_SHARED: usize = 1 << 14;

/// Calls `function` with each row of `length` numbers and its number.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn each_row(values: &mut [f32], length: usize, function: impl Fn(usize, &mut [f32]) + Sync + Send) {
    use rayon::iter::{IndexedParallelIterator, ParallelIterator};
    use rayon::slice::ParallelSliceMut;
    if values.len() < MIN_SHARED {
        return values.chunks_exact_mut(length).enumerate().for_each(|(row, values)| function(row, values));
    }
    let rows = values.par_chunks_exact_mut(length).enumerate().with_min_len(MIN_SHARED.div_ceil(length));
    rows.for_each(|(row, values)| function(row, values));
}

/// As above.
#[cfg(target_family = "wasm")]
pub(crate) fn each_row(values: &mut [f32], length: usize, function: impl Fn(usize, &mut [f32])) {
    values.chunks_exact_mut(length).enumerate().for_each(|(row, values)| function(row, values));
}

/// `function` of each item, in order.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn map<T: Sync, U: Send>(items: &[T], function: impl Fn(&T) -> U + Sync + Send) -> Vec<U> {
    use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
    if items.len() == 1 || rayon::current_num_threads() == 1 {
        return items.iter().map(function).collect();
    }
    items.par_iter().map(function).collect()
}

/// As above.
#[cfg(target_family = "wasm")]
pub(crate) fn map<T, U>(items: &[T], function: impl Fn(&T) -> U) -> Vec<U> {
    items.iter().map(function).collect()
}

/// Fewer rows read weights for too little.
const MIN_ROWS: usize = 6;

/// 48 and 96 were as quick as each other.
const MAX_ROWS: usize = 96;

/// Rows that a thread takes at a time, of so many that nothing binds to each other.
pub(crate) fn share(rows: usize) -> usize {
    let threads = parts(&crate::cpu_device());
    let shares = rows.div_ceil(MAX_ROWS).next_multiple_of(threads).max(1);
    rows.div_ceil(shares).max(MIN_ROWS)
}

/// Calls `function` with each item.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn each<T: Send>(items: Vec<T>, function: impl Fn(T) + Sync + Send) {
    use rayon::iter::{IntoParallelIterator, ParallelIterator};
    if items.len() == 1 {
        return items.into_iter().for_each(function);
    }
    items.into_par_iter().for_each(function);
}

/// As above.
#[cfg(target_family = "wasm")]
pub(crate) fn each<T>(items: Vec<T>, function: impl Fn(T)) {
    items.into_iter().for_each(function);
}
