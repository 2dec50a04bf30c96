//! Definitions in place: a row of terms, each of which opens its definition under the row.

use yew::prelude::*;

use crate::glossary::{self, Term};

/// Which terms.
#[derive(Clone, Debug, PartialEq, Properties)]
pub struct TermsProps {
    /// Their ids.
    pub ids: &'static [&'static str],
}

/// Terms that open their definitions.
#[component]
pub fn Terms(props: &TermsProps) -> Html {
    let open = use_state(|| None::<&'static str>);
    let terms = props.ids.iter().filter_map(|id| glossary::term(id));
    let opened = (*open).and_then(glossary::term);
    html! {
        <div class="terms">
            <p>
                <span class="quiet">{ "What is " }</span>
                { for terms.map(|term| {
                    let is_open = *open == Some(term.id);
                    let open = open.clone();
                    let onclick = move |_: MouseEvent| open.set((!is_open).then_some(term.id));
                    html! {
                        <button type="button" class="term" aria-expanded={is_open.to_string()} {onclick}>{ term.name }</button>
                    }
                }) }
            </p>
            if let Some(term) = opened {
                <div class="definition" role="note">{ definition(term) }</div>
            }
        </div>
    }
}

/// A definition with its formula and source.
pub fn definition(term: &Term) -> Html {
    html! {
        <>
            <p><dfn>{ capital(term.name) }</dfn>{ ": " }{ term.definition }</p>
            if let Some(formula) = term.formula {
                <p class="formula">{ formula }</p>
            }
            <p class="quiet">{ term.source.words() }</p>
        </>
    }
}

/// A text with a capital first letter.
#[must_use]
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| std::iter::once(first.to_ascii_uppercase()).chain(chars).collect()).unwrap_or_default()
}
