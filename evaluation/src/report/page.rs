//! What every page shares: its head, its figures, its marks.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::style;
use crate::{figure::Figure, foreign_text};

/// A whole page that opens offline.
pub fn page(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(style::POLICY);
                title { (title) }
                style { (PreEscaped(style::CSS)) }
            }
            body { (body) }
        }
    };
    foreign_text::lines(&page.into_string())
}

/// A figure as part of the page.
pub fn inline(figure: &Figure) -> Markup {
    // Inside HTML a namespace is not needed, and no address shall stand in this file.
    let svg = figure.svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1);
    html! {
        figure role="img" aria-label=(figure.caption) {
            (PreEscaped(svg))
            figcaption { (figure.caption) }
        }
    }
}

/// A word with a sign, so that colour is not all that tells.
pub fn mark(class: &str, word: &str) -> Markup {
    let sign = match class {
        "pass" => "✓",
        "fail" => "✗",
        _ => "?",
    };
    html! { span class={ "mark " (class) } { (sign) " " (word) } }
}
