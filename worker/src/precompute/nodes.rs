//! The inference nodes of a plan at work.

use std::cell::Cell;
use std::ops::ControlFlow;

use futures_lite::future::block_on;
use poq_core::dataset::{Output, Task};
use poq_pipeline::nodes::{self, DecoderNode, ExtractiveNode};
use poq_pipeline::spec::NodeSpec;

use super::plan::NodePlan;
use crate::console::say;
use crate::fault::{Fault, Outcome};
use crate::interrupt;
use crate::models::Models;

/// A node that is ready to answer.
pub struct Node<'a> {
    plan: &'a NodePlan,
    node: Box<dyn nodes::Node>,
    /// Answers whose prompt was cut to fit the model.
    cut: Cell<usize>,
}

impl<'a> Node<'a> {
    /// Loads what the node needs.
    pub fn load(plan: &'a NodePlan, models: &Models) -> Outcome<Self> {
        let node: Box<dyn nodes::Node> = match &plan.spec {
            NodeSpec::Lead => Box::new(ExtractiveNode::Lead),
            NodeSpec::Keyword => Box::new(ExtractiveNode::Keyword),
            NodeSpec::Decoder(spec) => {
                let decoder = models.decoder(spec.model.as_str(), spec.layers)?;
                if let Some(date) = decoder.told_date() {
                    let (id, asks) = (&plan.id, "the model's chat template asks for today's date");
                    say(format_args!(
                        "{id}: {asks}; it is told {date}, on any day, so that the same plan gives the same answers"
                    ));
                }
                let node = block_on(DecoderNode::new(decoder, spec));
                Box::new(node.map_err(|error| Fault::from(error).of(format!("inference node `{}`", plan.id)))?)
            }
        };
        Ok(Self { plan, node, cut: Cell::default() })
    }

    /// What is to be said of the answers so far: that prompts were cut.
    pub fn notice(&self) -> Option<String> {
        let (cut, id, tokens) = (self.cut.get(), &self.plan.id, self.node.max_tokens()?);
        (cut > 0).then(|| format!("{id}: in {cut} of its answers the prompt was cut to the model's {tokens} tokens"))
    }

    /// Answers `task`, the `index`-th of the plan.
    ///
    /// # Errors
    /// [`Fault::Input`] where this row alone is at fault; a fault of the environment or an interruption ends the run.
    pub fn answer(&self, index: usize, task: &Task) -> Outcome<Output> {
        let go_on = || if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let answer = block_on(self.node.answer(index, task, &go_on))?.ok_or(Fault::Interrupted)?;
        self.cut.set(self.cut.get() + usize::from(answer.truncated_prompt));
        Ok(Output {
            task: task.id.clone(),
            node: self.plan.id.clone(),
            text: answer.text,
            tokens_in: answer.tokens_in as u64,
            tokens_out: answer.tokens_out as u64,
            latency_ms: answer.latency_ms,
        })
    }
}
