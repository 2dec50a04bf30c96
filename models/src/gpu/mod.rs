//! The GPU: in a page through WebGPU, natively through Vulkan or Metal.

mod kernels;
mod ops;

pub(crate) use kernels::{Activation, Mean};
pub(crate) use ops::{attention, cached_attention, gated, has_cached_attention, linear, norm, turned};

use std::sync::{Arc, OnceLock};

use burn::tensor::Device;
use burn::tensor::wgpu::wgpu;

use crate::error::ModelError;

/// Bytes that one tensor has at most on the GPU that was opened.
static LARGEST_TENSOR: OnceLock<u64> = OnceLock::new();

/// Bytes that one tensor has at most on a GPU that [`Gpu::open`] opened.
pub(crate) fn largest_tensor() -> u64 {
    LARGEST_TENSOR.get().copied().unwrap_or(u64::MAX)
}

/// A GPU that is ready for models.
pub struct Gpu {
    /// The device.
    pub device: Device,
    /// What its driver or the browser calls it; empty where it does not say.
    pub name: String,
    /// Whether its shaders compute in half precision (`shader-f16`).
    pub has_half: bool,
}

impl Gpu {
    /// Opens the GPU that the browser or the system offers. At most once in a program: a second call fails. `on_lost`
    /// is told when the device is gone, its memory is full, or it refuses what it is asked: nothing that it computes
    /// afterwards is right.
    ///
    /// # Errors
    /// If there is no adapter, or it gives no device.
    pub async fn open(on_lost: impl Fn(String) + Send + Sync + 'static) -> Result<Self, ModelError> {
        let opened = Device::wgpu_options().init_with_setup_async().await;
        let (device, setup) = opened.map_err(|error| ModelError::Device(error.to_string()))?;
        let on_lost = Arc::new(on_lost);
        let on_gone = on_lost.clone();
        setup.device.set_device_lost_callback(move |reason: wgpu::DeviceLostReason, message: String| {
            let told = if message.is_empty() { format!("{reason:?}") } else { message };
            on_gone(format!("it went away, as when its driver starts anew or it is taken out ({told})"));
        });
        let on_error = on_lost.clone();
        setup.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            on_error(match error {
                wgpu::Error::OutOfMemory { .. } => "its memory is full".to_owned(),
                other => format!("it refuses what it is asked ({other})"),
            });
        }));
        let limits = setup.device.limits();
        LARGEST_TENSOR.get_or_init(|| limits.max_storage_buffer_binding_size.min(limits.max_buffer_size));
        let has_half = setup.device.features().contains(wgpu::Features::SHADER_F16);
        Ok(Self { device, name: setup.adapter.get_info().name, has_half })
    }
}
