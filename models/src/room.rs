//! What one tensor may take of a device's memory: a GPU binds each to a kernel in one piece.

use burn::tensor::Device;

use crate::error::ModelError;

/// Whether `tensor`, of so many bytes, may be put on `device`, before its numbers are unpacked.
///
/// # Errors
/// [`ModelError::TooLarge`].
pub(crate) fn check(tensor: &str, bytes: usize, device: &Device) -> Result<(), ModelError> {
    let most = match *device == crate::cpu_device() {
        true => u64::MAX,
        false => largest_tensor(),
    };
    within(tensor, bytes as u64, most)
}

#[cfg(feature = "webgpu")]
fn largest_tensor() -> u64 {
    crate::gpu::largest_tensor()
}

#[cfg(not(feature = "webgpu"))]
fn largest_tensor() -> u64 {
    u64::MAX
}

fn within(tensor: &str, bytes: u64, most: u64) -> Result<(), ModelError> {
    match bytes <= most {
        true => Ok(()),
        false => Err(ModelError::TooLarge { tensor: tensor.to_owned(), bytes, most }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_larger_than_a_piece_is_named_with_both_sizes() {
        assert!(within("token_embd.weight", 134_217_728, 134_217_728).is_ok());
        let error = within("token_embd.weight", 525_336_577, 134_217_728).expect_err("it is larger");
        let words = "tensor `token_embd.weight` takes 525.3 MB, and the device holds at most 134.2 MB in one piece";
        assert_eq!(error.to_string(), words);
        assert!(check("any", usize::MAX, &crate::cpu_device()).is_ok());
    }
}
