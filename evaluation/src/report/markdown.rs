//! `report.md`: what a CI summary shows.

use std::fmt::Write;

use super::{
    environment::{self, LogCell, NodeColumns},
    stages, words,
};
use crate::{
    assessment::Assessment, check::CheckResult, figure::thousands, foreign_text::line, run::RunDirectory,
    verdict::Verdict,
};

/// The report in short.
pub fn render(run: &RunDirectory, assessment: &Assessment) -> String {
    let mut out = String::new();
    let verdict = assessment.judgement.verdict;
    let sign = match verdict {
        Verdict::Pass => "✅",
        Verdict::Fail => "❌",
        Verdict::Inconclusive => "❔",
    };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# {sign} {}: {}\n", plain(&run.manifest.name), verdict.name());
    let _ = writeln!(out, "{}.\n", plain(&words::sentence(assessment)));
    for reason in &assessment.judgement.reasons {
        let _ = writeln!(out, "- {}", plain(reason));
    }
    if !assessment.judgement.reasons.is_empty() {
        out.push('\n');
    }

    let kinds = words::kinds(&assessment.kinds);
    if !kinds.is_empty() {
        table(&mut out, &words::KINDS, 2);
        kinds.iter().for_each(|cells| row(&mut out, &cells.each_ref().map(|cell| plain(cell))));
        out.push('\n');
    }
    if !assessment.failovers.is_empty() {
        let many = assessment.failovers.len() > words::MANY_FAULTS;
        if many {
            let count = assessment.failovers.len();
            let _ = writeln!(out, "<details><summary>Each of the {count} faults</summary>\n");
        }
        let columns = ["fault", "at", "elect", "unavailable", "healing", "recover", "lost work"];
        table(&mut out, &columns, 1);
        for fault in &assessment.failovers {
            row(
                &mut out,
                &[
                    plain(&words::fault_name(fault)),
                    format!("{:.3} s", fault.injected_s),
                    words::elect(fault),
                    format!(
                        "{} ({})",
                        words::unavailable(&fault.unavailable),
                        words::noise(&fault.unavailable)
                    ),
                    words::healing(fault),
                    words::recover(fault),
                    thousands(fault.lost_work),
                ],
            );
        }
        out.push('\n');
        if many {
            let _ = writeln!(out, "</details>\n");
        }
    }
    if !assessment.limits.is_empty() {
        table(&mut out, &["limit", "measured", "holds"], 3);
        for limit in &assessment.limits {
            let holds = match words::holds(limit) {
                ("fail", word) => format!("**{word}**"),
                (_, word) => word.to_owned(),
            };
            let text = match limit.implied {
                None => code(&limit.text),
                Some(_) => format!("{} (implied)", plain(&limit.text)),
            };
            row(&mut out, &[text, plain(&limit.shown), holds]);
        }
        out.push('\n');
    }
    table(&mut out, &["check", "result", "examined"], 2);
    for check in &assessment.checks {
        let result = match &check.result {
            CheckResult::Pass => "pass".to_owned(),
            CheckResult::Fail { violations, examples } => {
                // A drawing does not go into a cell.
                let first = examples.first().and_then(|example| example.lines().next()).unwrap_or("");
                format!("**fail**: {}, the first: {}", words::violations(*violations), plain(first))
            }
            CheckResult::Inconclusive { reason } => format!("inconclusive: {}", plain(reason)),
        };
        row(&mut out, &[format!("`{}`", check.check.name()), result, thousands(check.operations)]);
    }
    out.push('\n');
    for check in &assessment.checks {
        if let Some(effort) = &check.effort {
            out.push_str(&format!("`{}` looked at {}.\n\n", check.check.name(), plain(effort)));
        }
    }
    table(
        &mut out,
        &["operation", "offered", "ok", "failed", "unknown", "shed", "p50 ms", "p99 ms", "max ms"],
        1,
    );
    let all = std::iter::once(("all", &assessment.total));
    let each = assessment.by_operation.iter().map(|(kind, tally)| (kind.name(), tally));
    for (name, tally) in all.chain(each) {
        let quantile = |q| words::latency(tally.latencies.quantile_ms(q));
        row(
            &mut out,
            &[
                name.to_owned(),
                thousands(tally.offered),
                thousands(tally.ok),
                thousands(tally.failed),
                thousands(tally.unknown),
                thousands(tally.shed),
                quantile(0.5),
                quantile(0.99),
                quantile(1.0),
            ],
        );
    }
    if let Some(sent) = words::send_error(&assessment.total) {
        let _ = writeln!(out, "\n{sent}.");
    }
    out.push('\n');
    let stages = stages::rows(run);
    if !stages.is_empty() {
        table(&mut out, &stages::COLUMNS, 2);
        for cells in &stages {
            row(&mut out, &cells.iter().map(|cell| plain(cell)).collect::<Vec<_>>());
        }
        out.push('\n');
    }
    table(&mut out, &["what ran where", ""], 2);
    for (name, value) in environment::facts(&run.manifest) {
        row(&mut out, &[name.to_owned(), plain(&value)]);
    }
    out.push('\n');
    nodes(&mut out, run);
    out
}

fn nodes(out: &mut String, run: &RunDirectory) {
    let columns = NodeColumns::of(&run.manifest);
    let shown = [true, true, columns.peers, columns.containers, columns.logs];
    let chosen = |cells: [String; 5]| -> Vec<String> {
        cells.into_iter().zip(shown).filter_map(|(cell, shown)| shown.then_some(cell)).collect()
    };
    let names = chosen(["node", "clients at", "nodes at", "container", "log"].map(str::to_owned));
    table(out, &names.iter().map(String::as_str).collect::<Vec<_>>(), names.len());
    for node in &run.manifest.nodes {
        let log = match LogCell::of(run, node) {
            LogCell::None => "–".to_owned(),
            LogCell::Link { path, size } => format!("[{path}]({path}), {size}"),
            LogCell::Missing { path, why } => format!("{}, {}", plain(&path), plain(&why)),
        };
        let cells = [
            format!("n{}", node.id),
            plain(&node.client_address),
            plain(words::or_dash(node.peer_address.as_deref())),
            plain(words::or_dash(node.container.as_deref())),
            log,
        ];
        row(out, &chosen(cells));
    }
}

/// The head of a table whose first columns are text and whose others are numbers.
pub fn table(out: &mut String, names: &[&str], text: usize) {
    row(out, &names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
    let rule: Vec<&str> = (0..names.len()).map(|i| if i < text { "---" } else { "---:" }).collect();
    let _ = writeln!(out, "| {} |", rule.join(" | "));
}

/// One row of a table. What cells hold is Markdown already.
pub fn row(out: &mut String, cells: &[String]) {
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

/// Text on one line, in which nothing is markup, a link, or the end of a cell.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    let text = line(text);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let in_word = before.is_alphanumeric() && rest.peek().is_some_and(|after| after.is_alphanumeric());
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // As numbers: a backslash before these is read in more than one way.
            '|' | '\\' | '@' => out.push_str(&format!("&#{};", u32::from(c))),
            // An address becomes a link by itself.
            ':' if rest.peek() == Some(&'/') => out.push_str("&#58;"),
            '.' if out.to_ascii_lowercase().ends_with("www") => out.push_str("&#46;"),
            '*' | '`' | '[' | ']' | '~' | '#' | '$' => out.extend(['\\', c]),
            '_' if !in_word => out.extend(['\\', c]),
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// Text as code, on one line, in a cell or outside of one.
pub fn code(text: &str) -> String {
    let text = line(text);
    // What cannot be said as code is said as text.
    if text.contains(['`', '|', '\\']) || text.trim() != text || text.is_empty() {
        return plain(&text);
    }
    format!("`{text}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        for (text, shown) in [
            ("a <b> & *c*", "a &lt;b&gt; &amp; \\*c\\*"),
            ("![x](http://evil.example)", "!\\[x\\](http&#58;//evil.example)"),
            ("WWW.evil.example", "WWW&#46;evil.example"),
            ("a|b\\|c\n| d", "a&#124;b&#92;&#124;c &#124; d"),
            ("no_lost_ack and _this_", "no_lost_ack and \\_this\\_"),
            ("127.0.0.1:4000, 12:30", "127.0.0.1:4000, 12:30"),
            ("#1 by @somebody, ~~gone~~", "\\#1 by &#64;somebody, \\~\\~gone\\~\\~"),
        ] {
            assert_eq!(plain(text), shown);
        }
    }

    #[test]
    fn code_ends_where_it_should() {
        assert_eq!(code("view.p99 < 50ms"), "`view.p99 < 50ms`");
        assert_eq!(code("a`b<i>"), "a\\`b&lt;i&gt;");
    }
}
