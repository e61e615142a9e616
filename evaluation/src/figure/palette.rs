//! Colours that colour-blind readers can tell apart (Okabe and Ito), one meaning each.

use loadgen::scenario::OutcomeKind;

use super::drawing::Ink;

const fn ink(r: u8, g: u8, b: u8) -> Ink {
    Ink { rgb: (r, g, b), alpha: 1.0 }
}

pub const PAPER: Ink = ink(255, 255, 255);
pub const TEXT: Ink = ink(32, 36, 42);
pub const QUIET: Ink = ink(96, 103, 112);
pub const GRID: Ink = ink(228, 231, 235);
pub const FRAME: Ink = ink(150, 156, 164);
pub const OFFERED: Ink = ink(32, 36, 42);
pub const P50: Ink = ink(0, 114, 178);
pub const P99: Ink = ink(204, 121, 167);
pub const MAX: Ink = ink(184, 190, 198);
pub const FAULT: Ink = ink(213, 94, 0);
/// Of texts on white: darker than [`FAULT`], so that it can be read.
pub const FAULT_TEXT: Ink = ink(168, 66, 0);
pub const BEFORE: Ink = ink(0, 114, 178);
pub const DURING: Ink = ink(213, 94, 0);
pub const AFTER: Ink = ink(0, 158, 115);

pub fn outcome(kind: OutcomeKind) -> Ink {
    match kind {
        OutcomeKind::Ok => ink(120, 190, 232),
        OutcomeKind::Failed => ink(213, 94, 0),
        OutcomeKind::Unknown => ink(230, 159, 0),
        OutcomeKind::Shed => ink(60, 60, 60),
    }
}

/// A node's colour, in every figure.
pub fn node(place: usize) -> Ink {
    const NODES: [Ink; 5] =
        [ink(0, 133, 97), ink(0, 104, 163), ink(178, 88, 137), ink(120, 94, 20), ink(70, 70, 150)];
    NODES[place % NODES.len()]
}

/// Colours of runs that are laid over one another: as different as can be in the order in which they are
/// needed, and dark enough for words on white, and white words on them.
pub const RUNS: [Ink; 6] = [
    ink(0, 104, 163),
    ink(200, 78, 0),
    ink(0, 125, 90),
    ink(150, 60, 115),
    ink(110, 86, 18),
    ink(70, 76, 84),
];

/// A run's colour, where runs are laid over one another.
pub fn run(place: usize) -> Ink {
    RUNS[place % RUNS.len()]
}
