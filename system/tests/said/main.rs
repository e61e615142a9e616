//! What the `veil` program says to whoever types its commands: the real program, and what comes out of it.

#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

mod altered;
mod durations;
mod program;
mod system_errors;
mod unreachable;
