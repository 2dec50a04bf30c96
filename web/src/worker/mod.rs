//! The simulation worker: it holds the dataset and runs what the page asks for, a slice at a time.
//!
//! [`host`] is the worker without its browser: messages in, messages out. [`port`] ties it to the Web Worker's event
//! loop, to which every slice returns, so that a newer request is heard within some 20 ms.

pub mod datasets;
pub mod host;
pub mod port;
