//! Reads a page, and compares what it says with what was printed.

/// The fewest hexadecimal digits that are taken for an id.
const ID: usize = 16;

/// Commands to type, and what they are said to print.
#[derive(Debug, PartialEq)]
pub struct Step {
    /// Where the commands begin.
    pub line: usize,
    pub commands: String,
    pub prints: Option<String>,
}

/// The steps of a page in Markdown.
pub fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    // Whether what a step prints may come next.
    let mut open = false;
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            open &= line.is_empty();
            continue;
        };
        let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
        let text = inside.collect::<Vec<_>>().join("\n");
        match (kind, steps.last_mut()) {
            ("sh", _) => steps.push(Step { line: number + 2, commands: text, prints: None }),
            ("text", Some(step)) if open => step.prints = Some(text),
            _ => {}
        }
        open = kind == "sh";
    }
    steps
}

/// Whether what was printed is what was expected.
pub fn fits(expected: &str, printed: &str) -> bool {
    let (expected, printed) = (expected.trim_end(), printed.trim_end());
    let (mut left, mut right) = (expected.lines(), printed.lines());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(left), Some(right)) if line_fits(&shape(left), &shape(right)) => {}
            _ => return false,
        }
    }
}

/// A line without what differs each time: ids, and ports on this machine.
fn shape(line: &str) -> String {
    let mut words = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let digits = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        let (word, kept) = match digits {
            ID.. => (digits, format!("<{digits} digits>")),
            _ if rest.starts_with("127.0.0.1:") => {
                let host = "127.0.0.1:".len();
                let port = rest[host..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - host);
                (host + port, "<address>".to_owned())
            }
            0 => (first.len_utf8(), first.to_string()),
            _ => (digits, rest[..digits].to_owned()),
        };
        words += &kept;
        rest = &rest[word..];
    }
    words
}

/// Whether a line is another one in which `…` stands for anything.
fn line_fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[test]
fn a_page_is_a_list_of_steps() {
    let page = "# Page\n\n```sh\nls\n\npwd\n```\n\n```text\n/home\n```\n\n```sh\ntrue\n```\n\nwords\n\n```text\nno\n```\n";
    let step = |line, commands: &str, prints: Option<&str>| {
        let (commands, prints) = (commands.to_owned(), prints.map(str::to_owned));
        Step { line, commands, prints }
    };
    assert_eq!(steps(page), [step(4, "ls\n\npwd", Some("/home")), step(14, "true", None)]);
}

#[test]
fn what_differs_each_time_is_compared_by_its_shape() {
    let id = "01a1fec9ea874c0bf6f15a96a465b2b3";
    for (expected, printed, same) in [
        (format!("image {id}: 2 views"), "image 00000000000000000000000000000000: 2 views".to_owned(), true),
        (format!("image {id}: 2 views"), format!("image {id}: 3 views"), false),
        (format!("image {id}"), "image 01a1fec9ea874c0b".to_owned(), false),
        ("at 127.0.0.1:7101, facade".to_owned(), "at 127.0.0.1:65000, facade".to_owned(), true),
        ("at 127.0.0.1:7101, facade".to_owned(), "at 127.0.0.1:7101, decade".to_owned(), false),
        ("in …/cluster (… bytes)\n".to_owned(), "in /tmp/cluster (17 bytes)\n\n".to_owned(), true),
        ("in …/cluster (… bytes)".to_owned(), "in /tmp/cluster (17 bits)".to_owned(), false),
        ("one".to_owned(), "one\ntwo".to_owned(), false),
        ("one\n…".to_owned(), "one\ntwo".to_owned(), true),
        ("one\n…".to_owned(), "one".to_owned(), false),
    ] {
        assert_eq!(fits(&expected, &printed), same, "{expected} | {printed}");
    }
}
