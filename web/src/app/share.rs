//! Sharing: the link into the clipboard and the address bar; and the console's `poqLab`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use poq_core::link::Link;
use wasm_bindgen::prelude::*;
use yew::prelude::*;

use super::browser;
use super::engine::Engine;
use crate::format;
use crate::protocol::ToWorker;

/// What was shared.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The whole link.
    link: String,
    /// Whether it is in the clipboard.
    is_copied: bool,
    /// Whether it carries a digest.
    has_digest: bool,
}

/// Puts the link into the address bar and, if the browser lets it, into the clipboard; then says so.
pub fn share(link: &Link, say: UseStateSetter<Option<Share>>) {
    let fragment = link.to_string();
    browser::set_fragment(&fragment);
    let has_digest = link.digest.is_some();
    let link = browser::address() + &fragment;
    wasm_bindgen_futures::spawn_local(async move {
        let is_copied = browser::copy(&link).await;
        say.set(Some(Share { link, is_copied, has_digest }));
    });
}

impl Share {
    /// The words, and the link to select.
    pub fn view(&self) -> Html {
        let Self { link, is_copied, has_digest } = self;
        let words = match (is_copied, has_digest) {
            (true, true) => "Link copied. Whoever opens it is told whether the result is the same to the last bit.",
            (false, true) => "This browser does not let the page copy: here is the link, and in the address bar.",
            (true, false) => "Link copied. It carries the settings alone: this run has no whole result yet.",
            (false, false) => "Here is the link. It carries the settings alone: this run has no whole result yet.",
        };
        html! {
            <div class="banner shared" role="status">
                <p>{ words }{ " " }<span class="quiet">{ format!("{} characters.", format::count(link.len() as u64)) }</span></p>
                <input type="text" readonly=true value={link.clone()} aria-label="Share link"
                    onfocus={|event: FocusEvent| event.target_unchecked_into::<web_sys::HtmlInputElement>().select()} />
            </div>
        }
    }
}

/// What was given to the console: JSON text as it is, any other value as its JSON.
fn json_text(value: &JsValue) -> Result<String, String> {
    // Of what is none, such as a function, it is undefined.
    let json = || JsValue::from(js_sys::JSON::stringify(value).ok()?).as_string();
    value.as_string().or_else(json).ok_or_else(|| "a scenario is an object, or its JSON as text".to_owned())
}

/// `window.poqLab` in the browser's console.
#[derive(Default)]
pub struct Console {
    next_token: Cell<u32>,
    /// By token: how to answer the promise.
    asked: RefCell<BTreeMap<u32, (js_sys::Function, js_sys::Function)>>,
}

impl Console {
    /// Makes `poqLab.digest(scenario)` known: a promise of the digest of that scenario's result. The scenario is an
    /// object, or JSON text.
    pub fn install(self: Rc<Self>, engine: Rc<Engine>) {
        let ask = Closure::<dyn FnMut(JsValue) -> js_sys::Promise>::new(move |scenario: JsValue| {
            let scenario_json = match json_text(&scenario) {
                Ok(text) => text,
                Err(words) => return js_sys::Promise::reject(&js_sys::Error::new(&words)),
            };
            let token = self.next_token.get();
            self.next_token.set(token.wrapping_add(1));
            let promise = js_sys::Promise::new(&mut |resolve, reject| {
                self.asked.borrow_mut().insert(token, (resolve, reject));
            });
            engine.send(&ToWorker::Digest { token, scenario_json });
            promise
        });
        let lab = js_sys::Object::new();
        let set = js_sys::Reflect::set(&lab, &"digest".into(), ask.as_ref())
            .and_then(|_| js_sys::Reflect::set(&js_sys::global(), &"poqLab".into(), &lab));
        // As long as the page lives.
        ask.forget();
        if let Err(error) = set {
            wasm_bindgen::throw_val(error);
        }
    }

    /// Answers the promise of that token.
    pub fn answer(&self, token: u32, outcome: Result<String, String>) {
        let Some((resolve, reject)) = self.asked.borrow_mut().remove(&token) else { return };
        let called = match outcome {
            Ok(digest) => resolve.call1(&JsValue::UNDEFINED, &digest.into()),
            Err(words) => reject.call1(&JsValue::UNDEFINED, &js_sys::Error::new(&words)),
        };
        // The functions of a promise do not throw.
        drop(called);
    }
}
