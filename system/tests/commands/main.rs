//! `veil`'s commands as a person gives them, on a bad day: what they write where it cannot be written, read while it is
//! rewritten, and ask without an answer. Nobody loses a view, a file or an answer by that.

#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

mod names;
mod outputs;
mod printing;
mod retries;
mod scene;
mod sharing_a_file;
mod showing;
mod stopping;
