//! The browser, in functions that do not fail loudly: what a browser lacks or forbids is left out or told by the
//! result.

use wasm_bindgen::prelude::*;
use web_sys::{CustomEvent, CustomEventInit, Element, Storage, Window};

/// Tells the other programs of the page by an event of the window.
///
/// # Errors
/// Where there is no window.
pub fn tell(event: &str, detail: &str) -> Result<(), JsValue> {
    let init = CustomEventInit::new();
    init.set_detail(&detail.into());
    let event = CustomEvent::new_with_event_init_dict(event, &init)?;
    window().ok_or("no window")?.dispatch_event(&event)?;
    Ok(())
}

/// The window of the page.
fn window() -> Option<Window> {
    web_sys::window()
}

/// The fragment of the page's address, with its `#`; empty if there is none.
#[must_use]
pub fn fragment() -> String {
    window().and_then(|window| window.location().hash().ok()).unwrap_or_default()
}

/// The page's address without its fragment.
#[must_use]
pub fn address() -> String {
    let href = window().and_then(|window| window.location().href().ok()).unwrap_or_default();
    href.split('#').next().unwrap_or_default().to_owned()
}

/// Puts a fragment into the address bar in place of the one there; an empty one takes it away. Loads nothing.
pub fn set_fragment(fragment: &str) {
    let url = address() + fragment;
    let history = window().and_then(|window| window.history().ok());
    if let Some(history) = history {
        // A page opened from a file may not change its address: the link is still in the clipboard.
        history.replace_state_with_url(&JsValue::NULL, "", Some(&url)).unwrap_or_default();
    }
}

/// Copies a text; whether that was allowed.
pub async fn copy(text: &str) -> bool {
    let Some(window) = window().filter(Window::is_secure_context) else {
        return false;
    };
    wasm_bindgen_futures::JsFuture::from(window.navigator().clipboard().write_text(text)).await.is_ok()
}

/// Hands a file to the user.
pub fn download(name: &str, mime: &str, text: &str) {
    hand_over(name, mime, &js_sys::Array::of1(&JsValue::from_str(text)));
}

/// Hands a file to the user that is made in parts; the page goes on between two of them.
pub fn download_parts(name: &'static str, mime: &'static str, parts: impl Iterator<Item = String> + 'static) {
    wasm_bindgen_futures::spawn_local(async move {
        let whole = js_sys::Array::new();
        for part in parts {
            whole.push(&JsValue::from_str(&part));
            breath().await;
        }
        hand_over(name, mime, &whole);
    });
}

/// Lets the page's other work go first.
async fn breath() {
    let pause = js_sys::Promise::new(&mut |resolve, _| {
        if let Some(window) = window() {
            // It fails only where there is no window any more.
            window.set_timeout_with_callback(&resolve).unwrap_or_default();
        }
    });
    // A promise that only waits is never refused.
    wasm_bindgen_futures::JsFuture::from(pause).await.unwrap_or_default();
}

/// How long a file that was handed to the user stays readable: a browser may ask first where to save it.
const KEPT_MS: i32 = 600_000;

fn hand_over(name: &str, mime: &str, parts: &js_sys::Array) {
    let attempt = || -> Result<(), JsValue> {
        let document = window().and_then(|window| window.document()).ok_or(JsValue::NULL)?;
        let options = web_sys::BlobPropertyBag::new();
        options.set_type(mime);
        let blob = web_sys::Blob::new_with_str_sequence_and_options(parts, &options)?;
        let url = web_sys::Url::create_object_url_with_blob(&blob)?;
        let anchor: web_sys::HtmlAnchorElement = document.create_element("a")?.unchecked_into();
        anchor.set_href(&url);
        anchor.set_download(name);
        // Some browsers follow only a link that is in the document, and read the file after the click is over.
        document.body().ok_or(JsValue::NULL)?.append_child(&anchor)?;
        anchor.click();
        anchor.remove();
        let revoke = Closure::once_into_js(move || web_sys::Url::revoke_object_url(&url).unwrap_or_default());
        after(KEPT_MS, revoke.unchecked_ref());
        Ok(())
    };
    if let Err(error) = attempt() {
        wasm_bindgen::throw_val(error);
    }
}

/// An element as XML.
#[must_use]
pub fn serialize(element: &Element) -> Option<String> {
    web_sys::XmlSerializer::new().ok()?.serialize_to_string(element).ok()
}

/// A setting kept in this browser.
#[must_use]
pub fn stored(key: &str) -> Option<String> {
    storage()?.get_item(key).ok()?
}

/// Keeps a setting in this browser; where that is forbidden, it lasts as long as the page.
pub fn store(key: &str, value: &str) {
    if let Some(storage) = storage() {
        storage.set_item(key, value).unwrap_or_default();
    }
}

fn storage() -> Option<Storage> {
    window()?.local_storage().ok()?
}

/// Sets the colour scheme: `light`, `dark`, or `auto` for the system's.
pub fn set_theme(theme: &str) {
    let root = window().and_then(|window| window.document()).and_then(|document| document.document_element());
    if let Some(root) = root {
        root.set_attribute("data-theme", theme).unwrap_or_default();
    }
}

/// Brings the element of that id into view and into focus.
pub fn go_to(id: &str) {
    let element = window().and_then(|window| window.document()).and_then(|document| document.get_element_by_id(id));
    if let Some(element) = element {
        element.scroll_into_view();
        element.unchecked_ref::<web_sys::HtmlElement>().focus().unwrap_or_default();
    }
}

/// A seed that nobody chose; small enough to be read out.
#[must_use]
pub fn fresh_seed() -> u64 {
    u64::from(getrandom::u32().unwrap_or_default())
}

/// The address of a Web Worker's script, as `index.html` has it.
#[must_use]
pub fn worker_address() -> String {
    let address = js_sys::Reflect::get(&js_sys::global(), &"poqWorkerScript".into());
    address.ok().and_then(|address| address.as_string()).unwrap_or_default()
}

/// How many threads the device runs at once; one where the browser does not say.
#[must_use]
pub fn processors() -> usize {
    let told = window().map_or(1.0, |window| window.navigator().hardware_concurrency());
    if told >= 1.0 { told as usize } else { 1 }
}

/// Milliseconds since the page was opened.
#[must_use]
pub fn now_ms() -> f64 {
    window().and_then(|window| window.performance()).map_or(0.0, |performance| performance.now())
}

/// Calls `action` after `ms` milliseconds, once.
pub fn after(ms: i32, action: &js_sys::Function) {
    if let Some(window) = window() {
        // It fails only where there is no window any more.
        window.set_timeout_with_callback_and_timeout_and_arguments_0(action, ms).unwrap_or_default();
    }
}

/// Loads and starts a program of the page's own, by the name of its file; calls `wait` while the server still builds
/// it.
///
/// # Errors
/// In words, why it could not be loaded.
pub async fn start_program(name: &str, wait: impl Fn() + 'static) -> Result<(), String> {
    let wait = Closure::<dyn Fn()>::new(wait);
    // What `index.html` calls it.
    let start =
        js_sys::Reflect::get(&js_sys::global(), &"poqStart".into()).and_then(JsCast::dyn_into::<js_sys::Function>);
    let started = start.and_then(|start| start.call2(&JsValue::NULL, &name.into(), wait.as_ref()));
    let ended = match started {
        Ok(promise) => wasm_bindgen_futures::JsFuture::from(js_sys::Promise::from(promise)).await,
        Err(error) => Err(error),
    };
    ended.map(drop).map_err(|error| words(&error))
}

/// What an exception says.
#[must_use]
pub fn words(error: &JsValue) -> String {
    let message = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    message.or_else(|| error.as_string()).filter(|words| !words.is_empty()).unwrap_or_else(|| NO_WORDS.to_owned())
}

/// Stands for an exception without words.
pub const NO_WORDS: &str = "the browser does not say why";
