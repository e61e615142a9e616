//! Where the log goes: to standard error, without ever ending or holding up whoever has something to say.

use std::{
    io::{self, Write},
    sync::OnceLock,
    time::Duration,
};

use crossbeam_channel::{Sender, bounded};

use crate::os_error::Plain;

/// So many lines wait for standard error; further ones are left out.
const LINES: usize = 1_024;
/// How long the last ones may take.
const PATIENCE: Duration = Duration::from_millis(200);

/// Takes lines to a thread of their own, once there is one.
static DETACHED: OnceLock<Sender<Line>> = OnceLock::new();

enum Line {
    Said(Vec<u8>),
    /// All before it is written.
    Settle(Sender<()>),
}

/// Logs to standard error, by default warnings only; `RUST_LOG` says otherwise.
pub(super) fn init() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,openraft=error"));
    let ansi = io::IsTerminal::is_terminal(&io::stderr());
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).with_writer(|| Plain(Out));
    // What cannot be written is not complained of where it could not be written either: that would be a panic.
    subscriber.log_internal_errors(false).init();
}

/// Has the log written by a thread of its own from now on: whoever reads it, and stops reading, holds up nobody else.
///
/// # Errors
/// When there is no thread for it.
pub(super) fn detach() -> io::Result<()> {
    let (sender, lines) = bounded::<Line>(LINES);
    std::thread::Builder::new().name("veil-says".to_owned()).spawn(move || {
        for line in lines {
            match line {
                Line::Said(line) => write(&line),
                Line::Settle(settled) => drop(settled),
            }
        }
    })?;
    // A second one would have nothing to do.
    let _ = DETACHED.set(sender);
    Ok(())
}

/// Waits until all is written that was said, or a little while.
pub(super) fn settle() {
    let Some(sender) = DETACHED.get() else { return };
    let (settled, waiting) = bounded(0);
    if sender.send_timeout(Line::Settle(settled), PATIENCE).is_ok() {
        // It ends without ever sending anything.
        let _ = waiting.recv_timeout(PATIENCE);
    }
}

/// Nobody may be there to read it, or the disk be full.
fn write(line: &[u8]) {
    let _ = io::stderr().write_all(line);
}

struct Out;

impl Write for Out {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match DETACHED.get() {
            Some(sender) => drop(sender.try_send(Line::Said(line.to_vec()))),
            None => write(line),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
