//! What commands say: answers on standard output, complaints on standard error.
//!
//! All of it goes through here. An answer that cannot be written is an error: whoever waits for it must not take
//! silence for an empty list.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write as _},
    process::ExitCode,
};

use serde_json::Value;

use super::{closed, escape};
use crate::os_error::plain;

/// The exit code when whoever read the output has stopped reading: what a shell reports of a program that SIGPIPE
/// has ended.
const PIPE_CLOSED: u8 = 141;

/// Standard output could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}standard output cannot be written: {error}", self.before())]
pub(super) struct Unprinted {
    /// What was done all the same, and was to be said.
    done: Option<String>,
    error: io::Error,
}

impl Unprinted {
    fn before(&self) -> String {
        self.done.as_ref().map_or(String::new(), |done| format!("{done}; "))
    }

    /// How a program ends that could not say what it had to; without a word if nobody listens any more.
    pub(super) fn exit(&self) -> ExitCode {
        if self.error.kind() == ErrorKind::BrokenPipe {
            return ExitCode::from(PIPE_CLOSED);
        }
        complain(self);
        ExitCode::FAILURE
    }
}

impl From<io::Error> for Unprinted {
    fn from(error: io::Error) -> Self {
        Self { done: None, error }
    }
}

/// Prints a line, or several.
pub(super) fn say(text: impl Display) -> Result<(), Unprinted> {
    put(&escape::lines(&text.to_string()))
}

/// Prints JSON, on one line.
pub(super) fn say_json(value: &Value) -> Result<(), Unprinted> {
    put(&escape::json_text(value))
}

/// What to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Text, for people.
    Text,
    /// JSON, for scripts.
    Json,
}

impl Form {
    pub(super) fn json_if(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// Says what was done. If that cannot be said, the error says it, for it is done.
    pub(super) fn say_done(self, on: Stream, text: impl Display, value: &Value) -> Result<(), Unprinted> {
        let text = text.to_string();
        let line = match self {
            Self::Json => escape::json_text(value),
            Self::Text => escape::lines(&text).into_owned(),
        };
        match on {
            Stream::Output => put(&line).map_err(|unprinted| Unprinted { done: Some(text), ..unprinted }),
            Stream::Error => {
                complain_in_full(&line);
                Ok(())
            }
        }
    }
}

/// Where something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output.
    Output,
    /// Standard error, when standard output is for a file's bytes.
    Error,
}

/// Says something beside the answer. If nobody hears it, so be it: there is nowhere else to say it. What the
/// operating system says is told in words.
pub(super) fn complain(text: impl Display) {
    complain_in_full(&escape::lines(&plain(&format!("veil: {text}"))));
}

fn complain_in_full(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Flushed with every line, so that nothing is left to be lost when the program ends.
fn put(text: &str) -> Result<(), Unprinted> {
    put_with(|out| out.write_all(format!("{text}\n").as_bytes()))
}

/// Has something written to standard output, all of it.
pub(super) fn put_with(put: impl FnOnce(&mut io::Stdout) -> io::Result<()>) -> Result<(), Unprinted> {
    if closed::was_closed() {
        return Err(io::Error::from(rustix::io::Errno::BADF).into());
    }
    let mut out = io::stdout();
    put(&mut out)?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told_with_what_could_not_be_said() {
        let full = || io::Error::from(ErrorKind::StorageFull);
        let only = Unprinted::from(full()).to_string();
        assert!(only.starts_with("standard output cannot be written: "), "{only}");
        let done = Unprinted { done: Some("photo.png is sealed".to_owned()), error: full() }.to_string();
        assert!(done.starts_with("photo.png is sealed; standard output cannot be written: "), "{done}");
    }
}
