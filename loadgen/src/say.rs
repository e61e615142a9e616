//! What the programs say to people, however little of it arrives: a terminal may be gone and a disk full, and neither is a
//! reason to break off.

use std::{fmt::Display, io, io::Write as _, process::ExitCode};

use veil::os_error::{Plain, plain};

/// Standard output does not take what is printed.
#[derive(Debug, thiserror::Error)]
#[error("standard output cannot be written: {reason}")]
pub struct PrintError {
    /// Why not, in words. It is not another cause: that would be said twice.
    reason: String,
}

impl From<io::Error> for PrintError {
    fn from(error: io::Error) -> Self {
        Self { reason: plain(&error.to_string()).into_owned() }
    }
}

/// Says a line beside the work, on standard error. Nothing depends on whether anybody hears it.
pub fn aside(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints a text on standard output, all of it.
///
/// # Errors
/// [`PrintError`]: whoever relies on the text has to be told that it is not there.
pub fn print(text: &str) -> Result<(), PrintError> {
    let mut out = io::stdout().lock();
    Ok(out.write_all(text.as_bytes()).and_then(|()| out.flush())?)
}

/// Reads the command line. What is asked about it, such as `--help`, is answered; what is wrong with it is said.
///
/// # Errors
/// The exit code, when there is nothing to carry out: 0 after an answer that has arrived, 2 otherwise.
pub fn parse<T: clap::Parser>() -> Result<T, ExitCode> {
    T::try_parse().map_err(|answer| match (answer.print(), answer.exit_code()) {
        (Ok(()), 0) => ExitCode::SUCCESS,
        (Err(source), 0) => {
            aside(PrintError::from(source));
            ExitCode::from(2)
        }
        _ => ExitCode::from(2),
    })
}

/// An error and its causes, in a line for people.
pub fn sentence(error: &anyhow::Error) -> String {
    veil::cli::describe(error)
}

/// Sends what is logged to standard error, and forgets what that does not take.
pub fn init_tracing() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,openraft=error"));
    let ansi = io::IsTerminal::is_terminal(&io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ansi)
        .with_writer(|| Plain(io::stderr()))
        // It would complain on standard error, of all places.
        .log_internal_errors(false)
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_said_without_its_number() {
        let error = || io::Error::from_raw_os_error(28);
        let unprinted = PrintError::from(error()).to_string();
        assert_eq!(unprinted, "standard output cannot be written: no space left on the device");
        let chain = anyhow::Error::from(error()).context("cannot write a/b");
        assert_eq!(sentence(&chain), "cannot write a/b: no space left on the device");
    }
}
