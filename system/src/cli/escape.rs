//! Names and texts that others chose, so that a terminal shows them and does nothing else.

use std::{borrow::Cow, fmt::Write as _, os::unix::ffi::OsStrExt as _, path::Path};

use crate::directory::is_unseen;

/// A path as people read it, on one line: what no terminal shows as it is stands as an escape, such as `\n` or `\xff`.
pub(super) fn shown(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(&escaped(chunk.valid(), is_unseen));
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// A text on one line, whatever is in it.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_unseen)
}

/// A path in JSON, which is text: what is no UTF-8 is replaced by U+FFFD.
pub(super) fn in_json(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Lines for people, in which nothing but the line breaks moves the cursor.
pub(super) fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_unseen(c))
}

/// JSON as JSON, with the characters escaped that it could hold as they are and a terminal would obey.
pub(super) fn json_text(json: &serde_json::Value) -> String {
    let text = json.to_string();
    if !text.contains(is_unseen) {
        return text;
    }
    text.chars().fold(String::new(), |mut text, c| {
        match is_unseen(c) {
            // All of them have four digits. Writing to a string cannot fail.
            true => drop(write!(text, "\\u{:04x}", u32::from(c))),
            false => text.push(c),
        }
        text
    })
}

fn escaped(text: &str, odd: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&odd) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::new();
    for c in text.chars() {
        match odd(c) {
            true => plain.extend(c.escape_default()),
            false => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn a_path_is_one_line_whatever_its_bytes() {
        for (bytes, expected) in [
            (&b"a photo.png"[..], "a photo.png"),
            ("größe: ✓.png".as_bytes(), "größe: ✓.png"),
            (b"bad\xff.png", r"bad\xff.png"),
            (b"\xe2\x82", r"\xe2\x82"),
            (b"two\nlines\x1b[31m", r"two\nlines\u{1b}[31m"),
            ("gnp.\u{202e}exe".as_bytes(), r"gnp.\u{202e}exe"),
        ] {
            assert_eq!(shown(Path::new(OsStr::from_bytes(bytes))), expected);
        }
    }

    #[test]
    fn lines_keep_their_breaks_and_nothing_else_that_moves_the_cursor() {
        assert_eq!(lines("one\ntwo"), "one\ntwo");
        assert_eq!(lines("one\rtwo\u{9b}2J\u{7f}"), r"one\rtwo\u{9b}2J\u{7f}");
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let json = serde_json::json!({ "title": "a\u{9b}2J\u{7f}\u{202e}b\n", "plain": "ä" });
        let text = json_text(&json);
        assert!(!text.contains(is_unseen) && text.contains("\\u009b2J\\u007f\\u202eb\\n"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), json);
    }
}
