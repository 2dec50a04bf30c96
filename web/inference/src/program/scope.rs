//! The worker's surroundings: messages, the clock, and the event loop.

use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, MessageChannel};

/// The scope of the worker, from wherever it is wanted.
pub fn global() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Tells the page.
pub fn post(message: &impl Serialize) {
    let text = serde_json::to_string(message).map_err(|error| JsValue::from_str(&error.to_string()));
    if let Err(error) = text.and_then(|text| global().post_message(&text.into())) {
        // It becomes an `error` event of the worker, which the page shows.
        wasm_bindgen::throw_val(error);
    }
}

/// Milliseconds since the worker began.
pub fn now_ms() -> f64 {
    global().performance().map_or(0.0, |performance| performance.now())
}

/// Lets the messages that wait be heard first. A timer would wait for four milliseconds.
pub async fn breath() -> Result<(), String> {
    let channel = MessageChannel::new().map_err(|error| words(&error))?;
    let turn = js_sys::Promise::new(&mut |resolve, _| channel.port1().set_onmessage(Some(&resolve)));
    channel.port2().post_message(&JsValue::NULL).map_err(|error| words(&error))?;
    JsFuture::from(turn).await.map_err(|error| words(&error))?;
    channel.port1().close();
    Ok(())
}

/// What an exception says.
pub fn words(error: &JsValue) -> String {
    let named = |key: &str| js_sys::Reflect::get(error, &key.into()).ok().and_then(|value| value.as_string());
    match (named("name"), named("message")) {
        (Some(name), Some(message)) if !message.is_empty() => format!("{name}: {message}"),
        (Some(name), _) => name,
        _ => error.as_string().unwrap_or_else(|| format!("{error:?}")),
    }
}

/// A number of bytes where each counts, thousands apart.
pub fn exact(bytes: u64) -> String {
    let digits = bytes.to_string();
    let part = |(at, digit): (usize, char)| {
        let is_apart = at > 0 && (digits.len() - at).is_multiple_of(3);
        [is_apart.then_some(','), Some(digit)]
    };
    digits.chars().enumerate().flat_map(part).flatten().chain(" bytes".chars()).collect()
}

/// Whether an exception has this name, as `QuotaExceededError`.
pub fn is_named(error: &JsValue, name: &str) -> bool {
    js_sys::Reflect::get(error, &"name".into())
        .ok()
        .and_then(|value| value.as_string())
        .is_some_and(|seen| seen == name)
}
