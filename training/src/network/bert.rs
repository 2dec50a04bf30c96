//! A BERT with a head of one label, of the mean of its states.

use burn::module::Module;
use burn::nn::transformer::{TransformerEncoder, TransformerEncoderConfig};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use poq_models::PairTokens;

use super::slots::{Slot, of_linear, of_norm};
use super::{Input, longest, padded};
use crate::base::Sizes;

/// What stands before the names of the body, in files that hold a head beside it.
pub(super) const PREFIX: &str = "bert.";

/// Parameters that a base may not have.
pub(super) const NEW: &[&str] = &["bert.pooler.", "classifier."];

/// Share of what the head reads that is left out while it is trained. Inside the layers nothing is: draws for each
/// state and each weight of attention took 7% of the processor's work, on one thread. Whether they help was not tried.
pub(super) const DROPOUT: f64 = 0.1;

#[derive(Module, Debug)]
pub(crate) struct Bert {
    /// Of words, of types and of places: a token is the sum of its three.
    tables: Vec<Embedding>,
    norm: LayerNorm,
    body: TransformerEncoder,
    /// Layers that are not learnt; they come first.
    fixed: usize,
    pooler: Linear,
    pub(super) classifier: Linear,
}

impl Bert {
    /// The network of these sizes, whose parameters have no values yet.
    pub(super) fn new(sizes: &Sizes, learnt: usize, device: &Device) -> Self {
        let hidden = sizes.hidden_size;
        let table = |rows| EmbeddingConfig::new(rows, hidden).init(device);
        let (heads, layers) = (sizes.num_attention_heads, sizes.num_hidden_layers);
        Self {
            tables: vec![table(sizes.vocab_size), table(sizes.type_vocab_size), table(sizes.max_position_embeddings)],
            norm: LayerNormConfig::new(hidden).with_epsilon(sizes.layer_norm_eps).init(device),
            body: TransformerEncoderConfig::new(hidden, sizes.intermediate_size, heads, layers)
                .with_dropout(0.0)
                .with_layer_norm_eps(sizes.layer_norm_eps)
                .init(device),
            fixed: layers.saturating_sub(learnt),
            pooler: LinearConfig::new(hidden, hidden).init(device),
            classifier: LinearConfig::new(hidden, 1).init(device),
        }
    }

    /// What the names of parameters that are not learnt begin with.
    pub(super) fn fixed(&self) -> Vec<String> {
        let layers = (0..self.fixed).map(|number| format!("bert.encoder.layer.{number}."));
        std::iter::once("bert.embeddings.".to_owned()).chain(layers).collect()
    }

    /// States of a pair's tokens before the layers that are learnt, `[1, length, hidden]`.
    pub(super) fn fixed_states(&self, row: &PairTokens, device: &Device) -> Tensor<3> {
        let length = row.ids.len();
        let places = Tensor::<1, Int>::arange(0..length as i64, device).unsqueeze::<2>();
        let of = |numbers| padded(std::iter::once(numbers), length, device);
        let numbers = [of(&row.ids), of(&row.types), places];
        let parts = self.tables.iter().zip(numbers).map(|(table, numbers)| table.forward(numbers));
        let states = Tensor::cat(parts.collect(), 0).sum_dim(0);
        let states = self.norm.forward(states);
        self.body.layers[..self.fixed].iter().fold(states, |states, layer| layer.forward(states, None, None))
    }

    /// What the head makes a logit of, `[rows, hidden]`.
    pub(super) fn pairs(&self, rows: &[&Input], device: &Device) -> Tensor<2> {
        let (count, length) = (rows.len(), longest(rows));
        let hidden = self.norm.gamma.lazy_shape()[0];
        let mut states = Vec::with_capacity(count * length * hidden);
        for row in rows {
            let known = row.states.as_deref().unwrap_or_default();
            states.extend_from_slice(known);
            states.extend(std::iter::repeat_n(0.0, length * hidden - known.len()));
        }
        let states = Tensor::<3>::from_data(TensorData::new(states, [count, length, hidden]), device);
        let is_padding = |row: &&Input| {
            let tokens = row.tokens.ids.len();
            (0..length).map(move |place| place >= tokens)
        };
        let padding: Vec<bool> = rows.iter().flat_map(is_padding).collect();
        let padding = Tensor::<2, Bool>::from_data(TensorData::new(padding, [count, length]), device);
        let layers = &self.body.layers[self.fixed..];
        let states = layers.iter().fold(states, |states, layer| layer.forward(states, Some(padding.clone()), None));
        let mask = padding.bool_not().float().unsqueeze_dim::<3>(2);
        let mean = (states * mask.clone()).sum_dim(1) / mask.sum_dim(1);
        self.pooler.forward(mean.reshape([count, hidden])).tanh()
    }

    /// All parameters by their names in BERT's files, in an order that does not change.
    pub(super) fn slots<'a>(&'a mut self) -> Vec<(String, Slot<'a>)> {
        let Self { tables, norm, body, pooler, classifier, fixed: _ } = self;
        let of_table = |(name, table): (&str, &'a mut Embedding)| {
            (format!("bert.embeddings.{name}_embeddings.weight"), Slot::Table(&mut table.weight))
        };
        let mut slots: Vec<_> = ["word", "token_type", "position"].into_iter().zip(tables).map(of_table).collect();
        of_norm(&mut slots, "bert.embeddings.LayerNorm".to_owned(), norm);
        for (number, layer) in body.layers.iter_mut().enumerate() {
            let name = |part: &str| format!("bert.encoder.layer.{number}.{part}");
            of_linear(&mut slots, name("attention.self.query"), &mut layer.mha.query);
            of_linear(&mut slots, name("attention.self.key"), &mut layer.mha.key);
            of_linear(&mut slots, name("attention.self.value"), &mut layer.mha.value);
            of_linear(&mut slots, name("attention.output.dense"), &mut layer.mha.output);
            of_norm(&mut slots, name("attention.output.LayerNorm"), &mut layer.norm_1);
            of_linear(&mut slots, name("intermediate.dense"), &mut layer.pwff.linear_inner);
            of_linear(&mut slots, name("output.dense"), &mut layer.pwff.linear_outer);
            of_norm(&mut slots, name("output.LayerNorm"), &mut layer.norm_2);
        }
        of_linear(&mut slots, "bert.pooler.dense".to_owned(), pooler);
        of_linear(&mut slots, "classifier".to_owned(), classifier);
        slots
    }
}
