//! The devices that tests compute on.

use burn::tensor::Device;

use crate::cpu_device;

#[cfg(feature = "webgpu")]
pub(crate) static GPU: std::sync::LazyLock<crate::Gpu> = std::sync::LazyLock::new(|| {
    let opened = futures_lite::future::block_on(crate::Gpu::open(|reason| panic!("the GPU is lost: {reason}")));
    opened.expect("tests of this feature want a GPU")
});

/// The CPU, and the GPU where there is one in this build.
pub(crate) fn devices() -> Vec<Device> {
    vec![
        cpu_device(),
        #[cfg(feature = "webgpu")]
        GPU.device.clone(),
    ]
}
