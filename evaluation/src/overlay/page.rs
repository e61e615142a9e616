//! `overlay.html`: one file that opens offline and reads from top to bottom.

use std::path::{Path, PathBuf};

use maud::{Markup, html};

use super::{Group, Layer, Overlay};
use crate::{
    figure::{self, Figure},
    report::{
        file,
        page::{inline, mark, page},
    },
};

/// The whole page, for the folder it will lie in.
pub fn render(overlay: &Overlay, figures: &[Figure], folder: &Path) -> String {
    let title = overlay.title();
    let body = html! {
        h1 { (title) }
        p.quiet {
            "Times count from the beginning of each run's first stage. Figures are defined as in the runs' own "
            "reports; nothing is judged here."
        }
        (differences(overlay))
        (runs(overlay, folder))
        h2 { "Figures" }
        @for figure in figures { (inline(figure)) }
        (table(overlay))
        (facts(overlay))
    };
    page(&title, &body)
}

fn differences(overlay: &Overlay) -> Markup {
    html! {
        @for (title, list) in overlay.differences.told() {
            div.warning {
                p { b { (title) } }
                ul { @for difference in list { li { (difference) } } }
            }
        }
    }
}

fn runs(overlay: &Overlay, folder: &Path) -> Markup {
    html! {
        div.wide { table {
            thead { tr {
                th { "" } th { "run" } th { "driver" } th.n { "seed" } th { "started" } th { "verdict" }
            } }
            tbody { @for (place, layer) in overlay.layers.iter().enumerate() { tr {
                td { (letter(place, layer)) }
                td { (name(layer, folder)) }
                td { (layer.run.manifest.driver) }
                td.n { (layer.run.manifest.seed) }
                td { (layer.run.manifest.started) }
                td {
                    @let verdict = layer.assessment.judgement.verdict.name();
                    (mark(verdict, verdict))
                }
            } } }
        } }
    }
}

/// A run's letter after its colour.
fn letter(place: usize, layer: &Layer) -> Markup {
    let colour = format!("background: {}", figure::trace_colour(place));
    html! { span.swatch style=(colour) {} b { (layer.letter) } }
}

/// A run's name, as a link to its report where there is one.
fn name(layer: &Layer, folder: &Path) -> Markup {
    let name = &layer.run.manifest.name;
    html! {
        @match link(folder, &layer.path.join(file::HTML)) {
            Some(href) => { a href=(href) { (name) } }
            None => (name),
        }
    }
}

/// The way from a folder to a file, if the file is there and a link can say it as it is.
fn link(folder: &Path, file: &Path) -> Option<String> {
    let (from, to) = (folder.canonicalize().ok()?, file.canonicalize().ok()?);
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let mut way: PathBuf = from.components().skip(shared).map(|_| "..").collect();
    way.extend(to.components().skip(shared));
    let way = way.to_str()?.to_owned();
    let harmless = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    way.chars().all(harmless).then_some(way)
}

fn table(overlay: &Overlay) -> Markup {
    let (shown, folded) = overlay.shown_and_folded();
    html! {
        h2 { "Side by side" }
        (groups(overlay, &shown))
        @if !folded.is_empty() {
            details { summary { "Each of " (folded.len()) " faults" } (groups(overlay, &folded)) }
        }
        p.quiet {
            b { "B / A" } ": a figure of B as a multiple of that of A. There is none where one of them is missing or "
            "only known to be at least so much, or where that of A is 0. ± is how finely it could be seen. One run each "
            "is no more than an example."
        }
    }
}

fn groups(overlay: &Overlay, groups: &[&Group]) -> Markup {
    let columns = overlay.columns();
    html! {
        div.wide { table {
            thead { tr { @for (place, name) in columns.iter().enumerate() {
                th.n[place > 0] { (name) }
            } } }
            @for group in groups { tbody {
                tr.group { th colspan=(columns.len()) { (group.name) } }
                @for row in &group.rows { tr {
                    td { (row.name()) }
                    @for (place, cell) in row.cells.iter().enumerate() {
                        td.n { (cell.words) }
                        @if place > 0 { td.n { b { (cell.ratio_words()) } } }
                    }
                } }
            } }
        } }
    }
}

fn facts(overlay: &Overlay) -> Markup {
    html! {
        h2 { "What ran where" }
        div.wide { table.facts {
            thead { tr {
                th { "" }
                @for (place, layer) in overlay.layers.iter().enumerate() { th { (letter(place, layer)) } }
            } }
            tbody { @for (name, values) in overlay.facts() { tr {
                td.quiet { (name) }
                @for value in values { td { (value) } }
            } } }
        } }
    }
}
