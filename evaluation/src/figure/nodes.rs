//! How the nodes fared: processor time and sealing tasks, second by second.

use loadgen::record::NodeSample;

use super::{
    drawing::{Drawing, Ink},
    palette,
    plot::{self, LEFT, Mark, Plot, RIGHT},
    scale::{Scale, nice},
    timeline::draw_piece,
};
use crate::{failover::Failover, run::RunDirectory};

const HEIGHT: f64 = 130.0;
/// Samples further apart than this are not joined, s: the node did not answer in between.
const GAP_S: f64 = 2.5;

/// What one panel shows.
struct Panel {
    title: &'static str,
    value: fn(&NodeSample) -> f64,
    /// Its axis reaches up to here at least.
    least: f64,
    unit: &'static str,
}

pub fn draw(run: &RunDirectory, failovers: &[Failover]) -> Drawing {
    let mut drawing = Drawing::new();
    let ids = run.node_ids();
    let names: Vec<String> = ids.iter().map(|id| format!("n{id}")).collect();
    let legend: Vec<(Mark, Ink, &str)> = names
        .iter()
        .enumerate()
        .map(|(place, name)| (Mark::Line, palette::node(place), name.as_str()))
        .collect();
    let last = run.nodes.iter().map(|s| s.at_s).fold(run.phases().end_s(), f64::max);
    let x = Scale::linear((0.0, last), (LEFT, RIGHT));
    drawing.head("Nodes", (LEFT, 28.0), 15.0);
    let panels = [
        Panel {
            title: "Processor time, in percent of one core",
            value: |s| f64::from(s.cpu_percent),
            least: 10.0,
            unit: " %",
        },
        Panel {
            title: "Sealing tasks, at work and waiting",
            value: |s| f64::from(s.tasks_active) + f64::from(s.tasks_queued),
            least: 4.0,
            unit: "",
        },
    ];
    let mut y = 56.0;
    for Panel { title, value, least, unit } in panels {
        plot::heading(&mut drawing, y, title, &legend);
        let top = y + 14.0;
        let highest = run.nodes.iter().map(value).fold(least, f64::max);
        let step = nice(highest / 4.0);
        let plot = Plot { x, y: Scale::linear((0.0, (highest / step).ceil() * step), (top + HEIGHT, top)) };
        plot.linear_grid(&mut drawing, 4, |v| format!("{}{unit}", plot::plain(v)));
        plot::shade(&mut drawing, &plot, &run.phases().warmups(), failovers);
        for (place, id) in ids.iter().enumerate() {
            let mut piece: Vec<(f64, f64)> = Vec::new();
            let mut previous = f64::NEG_INFINITY;
            for sample in run.nodes.iter().filter(|s| s.node == *id && s.at_s >= 0.0) {
                if sample.at_s - previous > GAP_S {
                    draw_piece(&mut drawing, &mut piece, 1.8, palette::node(place));
                }
                piece.push(plot.at(sample.at_s, value(sample)));
                previous = sample.at_s;
            }
            draw_piece(&mut drawing, &mut piece, 1.8, palette::node(place));
        }
        plot.frame(&mut drawing);
        y = top + HEIGHT + 40.0;
    }
    let bottom = y - 40.0;
    plot::time_axis(&mut drawing, &x, bottom, "seconds since the load began");
    drawing.height = bottom + 50.0;
    drawing
}
