//! The neural networks of PoQ Lab on burn: decoders as inference nodes and as judges, encoders as evaluators. One crate
//! for the native worker and for the page, so that both compute the same.
//!
//! - [`Decoder`]: weights and tokenizer from a GGUF file, chat template, greedy or seeded sampling, ratings of
//!   what it is shown.
//! - [`BiEncoder`]: weights from safetensors, tokenizer from `tokenizer.json`, pooling as the folder says.
//! - [`CrossEncoder`]: the same bodies with a head for sequence classification, of pairs of texts.
//! - [`Kernels`]: whose arithmetic multiplies rows: burn's and on a GPU our own, with weights in f32 or half precision,
//!   or, in a page's CPU and in others with vectors of eight, that of `poq-kernels`.
//!
//! # What it does not do
//! - No folders, network or clock: callers bring bytes, or a [`Source`] of them, and measure time themselves.
//! - No panics on what a file or a prompt holds: each fault is a [`ModelError`] that names it.
//! - No blocking reads: whatever comes back from a device is awaited, so that the same code runs in a browser. Only
//!   what lies in the CPU's own memory is read in place.
//! - No training, and no computing in fewer bits than f32 unless it is asked for ([`Kernels::Half`]): blocks of quantised
//!   weights become f32 when they are loaded, or, where [`WeightStorage::AsStored`] keeps them, as they are used.
//! - No trust in a device: [`Decoder`] and [`BiEncoder`] check that results are finite, not that they are right;
//!   whoever opens a GPU lets it compute a known answer first (`check_known_answer` of both), or what the CPU computes
//!   ([`Decoder::check_against`]).

mod decoder;
#[cfg(test)]
mod devices;
mod encoder;
mod error;
mod format;
#[cfg(feature = "webgpu")]
mod gpu;
mod host;
mod known_answer;
mod layers;
mod parallel;
mod room;
mod tokenizer;

pub use burn::tensor::Device;
pub use decoder::{
    Continuation, Date, Decoder, DecoderOptions, Finish, GenerateOptions, Generation, Message, Prompt, Rater, Rating,
    Step, WeightStorage,
};
pub use encoder::{
    BiEncoder, CROSS_FITTED_RECORD, CrossEncoder, Embedding, Families, HeldOut, PairScore, PairTokenizer, PairTokens,
    Pooling, ReadFile, Reading, SentenceSettings, Similarity, cosine, fold_folder,
};
pub use error::{Blame, ModelError, Part};
pub use format::foreign::foreign_file;
pub use format::source::Source;
#[cfg(feature = "webgpu")]
pub use gpu::Gpu;
pub use host::Kernels;

/// The CPU, natively and in a page.
pub fn cpu_device() -> Device {
    Device::flex()
}
