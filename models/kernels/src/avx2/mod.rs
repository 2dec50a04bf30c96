//! Products in vectors of eight lanes, for processors of x86-64 that have them. Who asks for one elsewhere is refused
//! by a panic, before anything is computed.

pub(crate) mod blocks;
pub(crate) mod matrix;
pub(crate) mod row;

/// Whether this processor has them.
pub(crate) fn is_here() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("fma")
        && std::arch::is_x86_feature_detected!("f16c")
}
