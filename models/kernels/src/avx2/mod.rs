//! Products, and functions of each number, in vectors of eight lanes, for processors of x86-64 that have them. Who asks
//! for one elsewhere is refused by a panic, before anything is computed.

use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};

pub(crate) mod blocks;
pub(crate) mod elementwise;
pub(crate) mod matrix;
pub(crate) mod row;

/// Whether this processor has them.
pub(crate) fn is_here() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("fma")
        && std::arch::is_x86_feature_detected!("f16c")
}

/// Bytes that come from memory together.
const LINE: usize = 64;

/// Asks for the memory that `item` begins in ahead of its use. Inlined, as a call would move all sums of a tile from
/// registers and back.
#[allow(unsafe_code)]
#[inline(always)]
pub(crate) fn fetch_line<T>(item: &T) {
    // SAFETY: what is asked for is within the item, and asking reads and writes nothing.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(item).cast()) };
}

/// Asks for the memory of `items` ahead of their use.
#[allow(unsafe_code)]
#[inline(always)]
pub(crate) fn fetch<T: bytemuck::NoUninit>(items: &[T]) {
    let bytes = bytemuck::cast_slice::<T, u8>(items);
    // The last byte may be in a line that none of the others begin in.
    for line in bytes.chunks(LINE).chain(bytes.last().map(std::slice::from_ref)) {
        // SAFETY: what is asked for is within the slice, and asking reads and writes nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
}
