//! The page's Web Workers. [`host`] is the simulation worker without its browser: messages in, messages out; it holds
//! the datasets and runs what the page asks for, a slice at a time. [`port`] ties it to the Web Worker's event loop, to
//! which every slice returns, so that a newer request is heard within some 20 ms. [`study`] is a program of its own,
//! loaded when it is first asked for.

pub mod datasets;
mod fetching;
pub mod grouped;
pub mod host;
mod items;
pub mod port;
pub mod study;
