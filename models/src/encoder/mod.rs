//! Encoders: a body ([`body`]) that makes states of tokens, of the families in [`families`]; a pooling makes vectors of
//! them ([`BiEncoder`]), a head makes scores of pairs of texts ([`CrossEncoder`]), as a network without a body does
//! ([`text_cnn`]).

mod bi_encoder;
mod body;
mod config;
mod cross_encoder;
mod cross_fitted;
mod families;
mod head;
mod pairs;
mod relative;
mod sentence;
mod text_cnn;
mod weights;

use burn::tensor::{Device, Tensor};

pub use bi_encoder::{BiEncoder, Embedding, Similarity, cosine};
use body::Body;
pub use cross_encoder::{CrossEncoder, PairScore};
pub use cross_fitted::{CROSS_FITTED_RECORD, HeldOut, fold_folder};
pub use families::Families;
pub use head::Reading;
pub use pairs::{PairTokenizer, PairTokens};
pub use sentence::{Pooling, ReadFile, SentenceSettings};

use crate::cpu_device;
use crate::error::ModelError;
use crate::host::Kernels;
use crate::parallel;
use crate::tokenizer::encoder::{Encoded, EncoderTokenizer};

/// Rows that go through the network at once at most.
const BATCH: usize = 32;

/// Tokens that do, those that fill up shorter rows counted: they bound its memory, and how large its tensors become,
/// whatever the caller's list.
const DEVICE_TOKENS: usize = 8192;

/// Tokens that do with the host's kernels: enough for threads to share. More would be no quicker, and fill texts up
/// where a family wants that.
const HOST_TOKENS: usize = 384;

/// What all encoders have: texts become tokens, and rows of tokens what the body makes of them.
struct Network<B = Body> {
    tokenizer: EncoderTokenizer,
    body: B,
    max_tokens: usize,
    kernels: Kernels,
}

impl<B> Network<B> {
    /// A network of words whose number is `vocabulary`, with the body that `body` reads.
    fn read(
        families: &Families,
        tokenizer_json: &[u8],
        vocabulary: usize,
        max_tokens: usize,
        kernels: Kernels,
        device: &Device,
        body: impl FnOnce() -> Result<B, ModelError>,
    ) -> Result<Self, ModelError> {
        if kernels == Kernels::Host && *device != cpu_device() {
            return Err(ModelError::argument(
                "kernels",
                format!("Host on {device:?}"),
                "Burn, Half, or Host on the CPU device",
            ));
        }
        let tokenizer = EncoderTokenizer::read(tokenizer_json, families.tokenizers, max_tokens, vocabulary)?;
        Ok(Self { tokenizer, body: body()?, max_tokens, kernels })
    }

    /// What `output` makes of each row, in their order: it is given some of them, and gives `[rows, numbers]`. A row's
    /// numbers do not depend on its neighbours beyond float noise.
    async fn run(
        &self,
        rows: &[Encoded],
        output: &(dyn Fn(&B, &[&Encoded]) -> Tensor<2> + Sync),
    ) -> Result<Vec<Vec<f32>>, ModelError>
    where
        B: Sync,
    {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        // Neighbours of like length waste little on padding.
        order.sort_by_key(|index| rows[*index].ids.len());
        let mut rest = order.as_slice();
        let device_fault = |error: &dyn std::fmt::Debug| ModelError::Device(format!("{error:?}"));
        let mut done = vec![Vec::new(); rows.len()];
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(self.batch(rest.iter().map(|index| rows[*index].ids.len())));
            let inputs: Vec<&Encoded> = batch.iter().map(|index| &rows[*index]).collect();
            let output = match self.kernels {
                Kernels::Burn | Kernels::Half => output(&self.body, &inputs),
                Kernels::Host => parallel::in_pool(|| output(&self.body, &inputs)),
            };
            let data = output.into_data_async().await.map_err(|error| device_fault(&error))?;
            let values: Vec<f32> = data.try_into_vec().map_err(|error| device_fault(&error))?;
            for (index, values) in batch.iter().zip(values.chunks_exact(values.len() / batch.len())) {
                done[*index] = values.to_vec();
            }
            rest = others;
        }
        Ok(done)
    }

    /// How many rows of these lengths, shorter ones first, go through the network at once: at least one.
    fn batch(&self, lengths: impl Iterator<Item = usize>) -> usize {
        let tokens = match self.kernels {
            Kernels::Burn | Kernels::Half => DEVICE_TOKENS,
            Kernels::Host => HOST_TOKENS,
        };
        let fits = |(count, length): &(usize, usize)| (count + 1) * length <= tokens;
        lengths.take(BATCH).enumerate().take_while(fits).count().max(1)
    }
}
