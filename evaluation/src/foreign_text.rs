//! Text that a stranger may have chosen, as it may stand in a report: it is read, and never obeyed. HTML is escaped by
//! `maud`, SVG by `plotters`, Markdown in `report::markdown`; what is common to them is here.

/// What stands for a character that is left out.
const LEFT_OUT: char = '\u{fffd}';

/// Whether a terminal, or whoever lays text out, obeys a character instead of showing it: control characters, and those
/// that turn the direction of writing.
fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// On one line, in which everything is shown.
pub fn line(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if is_obeyed(c) => LEFT_OUT,
        c => c,
    };
    text.chars().map(shown).collect()
}

/// On as many lines as it has, in which everything is shown.
pub fn lines(text: &str) -> String {
    let shown = |c: char| if is_obeyed(c) && !matches!(c, '\n' | '\t') { LEFT_OUT } else { c };
    text.chars().map(shown).collect()
}

/// As a cell of a table for spreadsheets, which take what begins with one of some signs for a formula. Numbers stay as
/// they are.
pub fn cell(text: &str) -> String {
    let line = line(text);
    if line.starts_with(['=', '+', '-', '@']) && line.parse::<f64>().is_err() {
        format!("'{line}")
    } else {
        line
    }
}

/// JSON in which what a terminal obeys is written as its number: it means the same.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Those below are all beneath U+10000; control characters below a blank are escaped in strings already.
        if is_obeyed(c) && c != '\n' {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown() {
        assert_eq!(line("a\x1b[2Jb\u{9b}c\u{202e}d\ne\x7f"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d e\u{fffd}");
        assert_eq!(lines("a\n\tb\r\x07"), "a\n\tb\u{fffd}\u{fffd}");
        assert_eq!(line("Größe 5 µs – ≤ ×"), "Größe 5 µs – ≤ ×");
    }

    #[test]
    fn formulas_are_text_and_numbers_are_numbers() {
        for (text, shown) in [
            ("=1+1", "'=1+1"),
            ("+cmd", "'+cmd"),
            ("-1-1", "'-1-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2.900", "-2.900"),
            ("+3", "+3"),
            ("\t=1", " =1"),
            ("kill", "kill"),
            ("", ""),
        ] {
            assert_eq!(cell(text), shown);
        }
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let text = "a\u{9b}b\u{202e}c\x1b\n\"\\d";
        let written = serde_json::to_string_pretty(&[text]).unwrap();
        let escaped = json(&written);
        assert!(!escaped.contains(|c| is_obeyed(c) && c != '\n'));
        assert_eq!(serde_json::from_str::<Vec<String>>(&escaped).unwrap(), [text]);
    }
}
