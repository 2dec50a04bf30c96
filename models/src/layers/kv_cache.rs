//! Keys and values of the tokens so far.

use burn::tensor::{Device, Tensor, s};
use poq_kernels::KeysValues;

use crate::host::Kernels;

/// Rows that a cache has room for at first; it doubles when full.
const FIRST_ROOM: usize = 256;

/// One block's keys and values.
pub(crate) enum LayerCache {
    /// In tensors.
    Device(Box<DeviceCache>),
    /// In the host's memory, head by head.
    Host(Vec<KeysValues>),
}

impl LayerCache {
    pub(crate) fn new(kv_heads: usize, head_dim: usize, kernels: Kernels, device: &Device) -> Self {
        match kernels {
            Kernels::Burn | Kernels::Half => Self::Device(Box::new(DeviceCache::new(kv_heads, head_dim, device))),
            Kernels::Host => Self::Host((0..kv_heads).map(|_| KeysValues::new(head_dim)).collect()),
        }
    }

    /// Forgets all but the first `length` rows.
    pub(crate) fn truncate(&mut self, length: usize) {
        match self {
            Self::Device(cache) => cache.length = cache.length.min(length),
            Self::Host(heads) => heads.iter_mut().for_each(|head| head.truncate(length)),
        }
    }
}

/// `[kv_heads, room, head_dim]` each, of which the first `length` rows are filled.
///
/// Writing into room that is already there costs one row a token; joining tensors would copy all rows each time.
pub(crate) struct DeviceCache {
    /// Absent only while `append` works on them, so that they have one owner and are written in place.
    keys_values: Option<(Tensor<3>, Tensor<3>)>,
    length: usize,
}

impl DeviceCache {
    fn new(kv_heads: usize, head_dim: usize, device: &Device) -> Self {
        let empty = || Tensor::zeros([kv_heads, FIRST_ROOM, head_dim], device);
        Self { keys_values: Some((empty(), empty())), length: 0 }
    }

    /// Adds `[kv_heads, seq, head_dim]` each, and gives all keys and values, of which those so far are the first.
    pub(crate) fn append(&mut self, key: Tensor<3>, value: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let [_, seq, _] = key.dims();
        let total = self.length + seq;
        let (keys, values) = self.keys_values.take().expect("absent only in here");
        let (keys, values) = (grown(keys, self.length, total), grown(values, self.length, total));
        let rows = s![.., self.length..total, ..];
        let (keys, values) = (keys.slice_assign(rows, key), values.slice_assign(rows, value));
        self.keys_values = Some((keys.clone(), values.clone()));
        self.length = total;
        (keys, values)
    }
}

/// The tensor with room for at least `needed` rows, the first `filled` of them kept.
fn grown(tensor: Tensor<3>, filled: usize, needed: usize) -> Tensor<3> {
    let [kv_heads, room, head_dim] = tensor.dims();
    if needed <= room {
        return tensor;
    }
    let larger = Tensor::zeros([kv_heads, needed.next_power_of_two(), head_dim], &tensor.device());
    larger.slice_assign(s![.., 0..filled, ..], tensor.slice(s![.., 0..filled, ..]))
}
