//! What the Score place begins with.

use std::collections::BTreeMap;

use poq_core::dataset::{Shipped, TaskKind};
use poq_inference::protocol::{DeviceKind, Generate};

use super::{Ask, Form, Gpu, State};

impl Default for State {
    fn default() -> Self {
        Self {
            gpu: Gpu::Asking,
            wanted: DeviceKind::WebGpu,
            // The small program looks what is stored; the large one is loaded with the first model that is to run on
            // it.
            program: (DeviceKind::Cpu, 0),
            device: None,
            is_built: false,
            fault: None,
            beside: BTreeMap::new(),
            fell_back: None,
            stored: None,
            transfer: None,
            transfer_fault: None,
            to_load: Vec::new(),
            loading: None,
            load_fault: None,
            encoders: Vec::new(),
            decoder: None,
            dataset: Shipped::default(),
            corpus: None,
            row: None,
            form: Form {
                kind: TaskKind::Qa,
                prompt: "What is the capital of France?".to_owned(),
                context: String::new(),
                answer: "Paris".to_owned(),
                references: "Paris".to_owned(),
            },
            work: 0,
            doing: None,
            scores: Vec::new(),
            scored: None,
            rescore_with: None,
            rescoring: None,
            rescored: None,
            ask: Ask {
                request: Generate {
                    prompt: "What is the capital of France?".to_owned(),
                    chat: true,
                    max_tokens: 48,
                    temperature: 0.0,
                    seed: 42,
                    stop: Vec::new(),
                },
                read: None,
                text: String::new(),
                tokens: 0,
                ms: 0.0,
                outcome: None,
            },
        }
    }
}
