//! What the programs say to people, however little of it arrives: a terminal may be gone and a disk full, and neither is a
//! reason to break off.

use std::{fmt::Display, io, io::Write as _, process::ExitCode};

/// Standard output does not take what is printed.
#[derive(Debug, thiserror::Error)]
#[error("standard output cannot be written: {reason}")]
pub struct PrintError {
    /// Why not, in words. It is not another cause: that would be said twice.
    reason: String,
}

impl From<io::Error> for PrintError {
    fn from(error: io::Error) -> Self {
        Self { reason: plain(&error.to_string()) }
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
    plain(&veil::cli::describe(error))
}

/// A text without the numbers by which an operating system calls its errors: the words say the same.
pub fn plain(text: &str) -> String {
    const BEFORE: &str = " (os error ";
    let (mut rest, mut plain) = (text, String::with_capacity(text.len()));
    while let Some((before, after)) = rest.split_once(BEFORE) {
        plain.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        match after[digits..].strip_prefix(')').filter(|_| digits > 0) {
            Some(behind) => rest = behind,
            // Somebody else's words.
            None => {
                plain.push_str(BEFORE);
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// Sends what is logged to standard error, and forgets what that does not take.
pub fn init_tracing() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,openraft=error"));
    let ansi = io::IsTerminal::is_terminal(&io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ansi)
        .with_writer(io::stderr)
        // It would complain on standard error, of all places.
        .log_internal_errors(false)
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_said_without_its_number() {
        let error = io::Error::from_raw_os_error(28);
        assert!(error.to_string().ends_with("(os error 28)"));
        assert_eq!(plain(&format!("a/b: {error}")), "a/b: No space left on device");
        let chain = anyhow::Error::from(error).context("cannot write a/b");
        assert_eq!(sentence(&chain), "cannot write a/b: No space left on device");
        for (text, left) in [
            ("x (os error 2): y (os error 13)", "x: y"),
            ("a folder (os error ) and (os error 5", "a folder (os error ) and (os error 5"),
            ("a (os error 5", "a (os error 5"),
            ("(os error 5)", "(os error 5)"),
            ("", ""),
        ] {
            assert_eq!(plain(text), left);
        }
    }
}
