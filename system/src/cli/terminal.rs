//! Whether the terminal is still there that this process was started from.

use std::{fs, io};

/// The terminal of this process, if it had one when it was looked at first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terminal {
    had_one: bool,
}

impl Terminal {
    /// Looks whether there is one that this process is to end with.
    pub(super) fn find() -> Self {
        Self { had_one: is_there() && !hang_ups_are_ignored() }
    }

    /// Whether it was closed since.
    pub(super) fn is_closed(self) -> bool {
        self.had_one && !is_there()
    }
}

fn is_there() -> bool {
    opened().is_ok()
}

fn opened() -> io::Result<fs::File> {
    fs::File::open("/dev/tty")
}

/// Whether whoever has started this process, `nohup` for instance, wants it to outlive its terminal.
fn hang_ups_are_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    // SIGHUP is 1, and has the lowest bit.
    ignored.is_some_and(|ignored| ignored & 1 == 1)
}
