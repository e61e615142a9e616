//! `overlay.csv`: one row a figure and run. Cells of what was not, or not seen, are empty.

use crate::{
    foreign_text::cell as text,
    overlay::{
        Overlay,
        table::{Group, Row},
    },
};

const HEADER: [&str; 10] =
    ["fault", "figure", "unit", "run", "name", "driver", "value", "ratio", "words", "kind"];

/// The whole table.
pub fn render(overlay: &Overlay) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail, and every row is as long as the header.
    let _ = writer.write_record(HEADER);
    for group in &overlay.groups {
        for row in &group.rows {
            for record in records(overlay, group, row) {
                let _ = writer.write_record(record);
            }
        }
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn records(overlay: &Overlay, group: &Group, row: &Row) -> Vec<[String; 10]> {
    let number = |value: Option<f64>| value.map_or_else(String::new, |v| rounded(v).to_string());
    overlay
        .layers
        .iter()
        .zip(&row.cells)
        .map(|(layer, cell)| {
            [
                group.fault.map_or_else(String::new, |index| index.to_string()),
                row.figure.to_owned(),
                row.unit.to_owned(),
                layer.letter.to_string(),
                text(&layer.run.manifest.name),
                text(&layer.run.manifest.driver),
                number(cell.value),
                number(cell.ratio),
                text(&cell.words),
                text(group.kind.as_deref().unwrap_or_default()),
            ]
        })
        .collect()
}

/// Six digits after the point: ratios close to 1 need them, and nothing has more that mean something.
pub fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
