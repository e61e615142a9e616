//! What the operating system refuses, in words for people: no numbers, and no names of files that nobody has asked for.
//!
//! An [`std::io::Error`] ends in `(os error 2)`, wherever it is printed, and many errors carry the text of another. So it
//! is the text that is put in order, once, where it is shown: in what a program prints as its error, in the log, and in
//! alarms. None can be forgotten.

use std::{
    borrow::Cow,
    io::{self, ErrorKind, Write},
};

/// What comes before the number.
const NUMBERED: &str = " (os error ";
/// What comes before the path of a file that was being made.
const AT_PATH: &str = " at path \"";
/// How the names of files begin that are yet to take their own.
const TEMPORARY: [&str; 4] = [".veil-", ".tmp", "veil-dev-", "veil-show-"];

/// The text of an error without numbers of the operating system and names of temporary files.
pub fn plain(text: &str) -> Cow<'_, str> {
    let text = without_numbers(text);
    if text.contains(AT_PATH) { Cow::Owned(without_temporary(&text)) } else { text }
}

fn without_numbers(text: &str) -> Cow<'_, str> {
    let (mut done, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(NUMBERED) {
        let (before, after) = rest.split_at(at);
        let number = after[NUMBERED.len()..].split(')').next().unwrap_or_default();
        let Ok(code) = number.parse::<i32>() else {
            done += &rest[..at + NUMBERED.len()];
            rest = &after[NUMBERED.len()..];
            continue;
        };
        let system = system_text(code);
        match before.strip_suffix(system.as_str()) {
            Some(before) => {
                done += before;
                done += &sentence(code, &system);
            }
            // The name of somebody's file, for instance.
            None => {
                done += &rest[..at + NUMBERED.len()];
                rest = &after[NUMBERED.len()..];
                continue;
            }
        }
        rest = after.get(NUMBERED.len() + number.len() + 1..).unwrap_or_default();
    }
    match done.is_empty() && rest.len() == text.len() {
        true => Cow::Borrowed(text),
        false => Cow::Owned(done + rest),
    }
}

/// What the operating system says of a number.
fn system_text(code: i32) -> String {
    let text = io::Error::from_raw_os_error(code).to_string();
    text.split(NUMBERED).next().unwrap_or_default().to_owned()
}

fn sentence(code: i32, system: &str) -> String {
    let known = match io::Error::from_raw_os_error(code).kind() {
        ErrorKind::NotFound => "no such file or folder",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::AlreadyExists => "there is something of that name already",
        ErrorKind::IsADirectory => "it is a folder",
        ErrorKind::NotADirectory => "a part of the path is no folder",
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        ErrorKind::StorageFull => "no space left on the device",
        ErrorKind::AddrInUse => "the address is in use",
        ErrorKind::AddrNotAvailable => "this machine has no such address",
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::ConnectionReset => "the connection was reset",
        ErrorKind::TimedOut => "no answer in time",
        ErrorKind::HostUnreachable => "no way to that machine",
        ErrorKind::NetworkUnreachable => "no way to that network",
        ErrorKind::BrokenPipe => "nobody reads any more",
        _ => return lower_case(system),
    };
    known.to_owned()
}

/// The text in the middle of a line. Abbreviations stay what they are.
fn lower_case(text: &str) -> String {
    let mut rest = text.chars();
    match (rest.next(), rest.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => first.to_lowercase().chain(rest).collect(),
        _ => text.to_owned(),
    }
}

fn without_temporary(text: &str) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(AT_PATH) {
        let path = &rest[at + AT_PATH.len()..];
        let Some(end) = end_of_quoted(path) else { break };
        let name = path[..end].rsplit('/').next().unwrap_or_default();
        done += &rest[..at];
        if !TEMPORARY.iter().any(|prefix| name.starts_with(prefix)) {
            done += &rest[at..=at + AT_PATH.len() + end];
        }
        rest = &path[end + 1..];
    }
    done + rest
}

/// Where the quotation mark is that ends what was quoted.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// Writes text that may tell of errors; each line at once.
#[derive(Debug)]
pub struct Plain<W>(pub W);

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.0.write_all(plain(text).as_bytes())?,
            Err(_) => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_system_becomes_a_sentence_without_it() {
        for code in 1..=133 {
            let error = io::Error::from_raw_os_error(code).to_string();
            let text = plain(&error);
            assert!(!text.contains("os error") && !text.is_empty(), "{code}: {text}");
            let within = format!("cannot reach n1: {error}; and {error}");
            assert_eq!(plain(&within), format!("cannot reach n1: {text}; and {text}"));
        }
        let refused = io::Error::from_raw_os_error(2).to_string();
        assert_eq!(plain(&refused), "no such file or folder");
        assert_eq!(plain(&io::Error::from_raw_os_error(5).to_string()), "input/output error");
    }

    #[test]
    fn what_the_system_does_not_say_stays_as_it_is() {
        let own = "photo (os error 2).png";
        assert_eq!(plain(own), own);
        let missing = format!("{own}: {}", io::Error::from_raw_os_error(2));
        assert_eq!(plain(&missing), format!("{own}: no such file or folder"));
        assert_eq!(plain(&plain(&missing)), plain(&missing));
        assert_eq!(plain("a file named x (os error two)"), "a file named x (os error two)");
        assert_eq!(plain("cut off (os error 2"), "cut off (os error 2");
        assert!(matches!(plain("nothing to mend"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_temporary_name_is_not_shown_and_the_users_own_is() {
        for prefix in [".veil-", "veil-dev-", "veil-show-"] {
            let missing =
                tempfile::Builder::new().prefix(prefix).tempdir_in("/nonexistent/a\"b").unwrap_err();
            assert!(missing.to_string().contains(prefix), "{missing}");
            assert_eq!(plain(&missing.to_string()), "no such file or folder");
        }
        let own = "no room at path \"/home/anna/photo.png\": sorry";
        assert_eq!(plain(own), own);
        assert_eq!(plain("odd at path \"/.veil-"), "odd at path \"/.veil-");
    }

    #[test]
    fn a_log_is_put_in_order_line_by_line() {
        let mut log = Plain(Vec::new());
        let line = format!("WARN {}\n", io::Error::from_raw_os_error(13));
        log.write_all(line.as_bytes()).unwrap();
        log.write_all(b"\xff\n").unwrap();
        assert_eq!(log.0, b"WARN permission denied\n\xff\n");
    }
}
