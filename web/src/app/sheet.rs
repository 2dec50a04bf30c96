//! A sheet, drawn.

use std::rc::Rc;

use yew::prelude::*;

use crate::plot::figure::Figure;
use crate::plot::intervals;
use crate::study::sheet::{Block, Claim, Drawn, Opens, Table};

/// What is drawn.
#[derive(Clone, Properties)]
pub struct SheetViewProps {
    /// Names its elements and files.
    pub id: &'static str,
    /// The blocks of a sheet.
    pub blocks: Rc<Vec<Block>>,
    /// Terms that its drawings use.
    pub terms: &'static [&'static str],
    /// Opens a scenario of it.
    pub on_open: Callback<Opens>,
}

impl PartialEq for SheetViewProps {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.blocks, &other.blocks) && self.on_open == other.on_open
    }
}

/// A sheet; drawn again when there is another.
#[component]
pub fn SheetView(props: &SheetViewProps) -> Html {
    let SheetViewProps { id, blocks, terms, on_open } = props;
    let first = blocks.iter().position(|block| matches!(block, Block::Drawing(_)));
    let block = |(index, block): (usize, &Block)| match block {
        Block::Headline(words) => html! { <p class="headline sheet-headline" role="status">{ words }</p> },
        Block::Words(words) => html! { <p class="plain">{ words }</p> },
        Block::List(sentences) => html! {
            <ul class="plain">{ for sentences.iter().map(|words| html! { <li>{ words }</li> }) }</ul>
        },
        Block::Drawing(drawn) => {
            let id = if Some(index) == first { (*id).to_owned() } else { format!("{id}-{index}") };
            html! { <Drawing {id} drawn={drawn.clone()} terms={*terms} on_open={on_open.clone()} /> }
        }
        Block::Table(of) => html! {
            <div class="scroll" role="region" tabindex="0" aria-label={of.caption.clone()}>{ table(of, on_open) }</div>
        },
        Block::Open(opens) => html! { <p>{ open(opens, on_open) }</p> },
        Block::Heading(words) => html! { <h3>{ words }</h3> },
        Block::Quiet(words) => html! { <p class="quiet">{ words }</p> },
        Block::Claims { of, claims } => html! {
            <section class="claims" aria-label={of.clone()}>
                <h4>{ of }</h4>
                <ol>{ for claims.iter().map(claim) }</ol>
            </section>
        },
        Block::Folded(words, of) => html! {
            <details class="folded">
                <summary>{ words }</summary>
                <div class="scroll" role="region" tabindex="0" aria-label={words.clone()}>{ table(of, on_open) }</div>
            </details>
        },
    };
    html! { <>{ for blocks.iter().enumerate().map(block) }</> }
}

fn claim(claim: &Claim) -> Html {
    let list = |items: &[String]| html! { <ul>{ for items.iter().map(|words| html! { <li>{ words }</li> }) }</ul> };
    html! {
        <li value={claim.number.to_string()}>
            <p><strong>{ &claim.verdict }</strong>{ " " }{ &claim.statement }</p>
            <details>
                <summary>{ "By how much" }</summary>
                { list(&claim.parts) }
                if !claim.tensions.is_empty() {
                    <p>{ "What speaks against it, or limits it:" }</p>
                    { list(&claim.tensions) }
                }
            </details>
        </li>
    }
}

#[derive(Clone, PartialEq, Properties)]
struct DrawingProps {
    id: String,
    drawn: Box<Drawn>,
    terms: &'static [&'static str],
    on_open: Callback<Opens>,
}

#[component]
fn Drawing(props: &DrawingProps) -> Html {
    let DrawingProps { id, drawn, terms, on_open } = props;
    let draw = {
        let drawn = drawn.clone();
        move |width: f64| intervals::draw(&drawn.groups, &drawn.measure, &drawn.axis, width)
    };
    html! {
        <Figure id={id.clone()} heading={drawn.heading.clone()} caption={html! { &drawn.caption }} {draw}
            table={table(&drawn.table, on_open)} terms={*terms} max_width={900.0} is_open={!drawn.table.opens.is_empty()} />
    }
}

fn table(table: &Table, on_open: &Callback<Opens>) -> Html {
    let class = |is_text: bool| is_text.then_some("text");
    html! {
        <table>
            <caption>{ &table.caption }</caption>
            <thead><tr>
                { for table.columns.iter().map(|(heading, is_text)| html! { <th scope="col" class={class(*is_text)}>{ heading }</th> }) }
                if !table.opens.is_empty() { <th scope="col" class="text">{ "scenario" }</th> }
            </tr></thead>
            <tbody>
                { for table.rows.iter().enumerate().map(|(index, row)| html! {
                    <tr>
                        { for row.iter().zip(&table.columns).enumerate().map(|(column, (cell, (_, is_text)))| match column {
                            0 => html! { <th scope="row" class={class(*is_text)}>{ cell }</th> },
                            _ => html! { <td class={class(*is_text)}>{ cell }</td> },
                        }) }
                        if let Some(opens) = table.opens.get(index) {
                            <td class="text">{ opens.as_ref().map(|opens| open(opens, on_open)) }</td>
                        }
                    </tr>
                }) }
            </tbody>
        </table>
    }
}

fn open(opens: &Opens, on_open: &Callback<Opens>) -> Html {
    let onclick = {
        let (opens, on_open) = (opens.clone(), on_open.clone());
        move |_: MouseEvent| on_open.emit(opens.clone())
    };
    html! {
        <button type="button" class="small" {onclick} aria-label={format!("Open as the scenario: {}", opens.words)}>
            { "Open as the scenario" }
        </button>
    }
}
