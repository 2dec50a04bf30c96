//! What networks are made of.

pub(crate) mod blocks;
pub(crate) mod fused;
pub(crate) mod kv_cache;
pub(crate) mod linear;
pub(crate) mod norm;
pub(crate) mod rotary;
