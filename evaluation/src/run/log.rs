//! The end of each node's log. A log may be huge: no more than its last kilobytes are ever read.

use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom},
    path::{Component, Path},
};

use loadgen::record::{Manifest, foreign};

/// So much of a log's end is read, bytes.
const TAIL_BYTES: u64 = 16 << 10;
/// So many of its last lines are kept.
const TAIL_LINES: usize = 20;

/// A node's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLog {
    /// Where it lies, relative to the run directory.
    pub path: String,
    /// How it ends, or why that cannot be shown.
    pub tail: Result<LogTail, String>,
}

/// How a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTail {
    /// How long the whole log is, bytes.
    pub bytes: u64,
    /// Its last lines.
    pub lines: Vec<String>,
    /// Whether these lines are all there is.
    pub whole: bool,
}

/// The logs that the manifest of the run directory at `folder` names, by node.
pub(super) fn read_all(folder: &Path, manifest: &Manifest) -> BTreeMap<u64, NodeLog> {
    let named = manifest.nodes.iter().filter_map(|node| Some((node.id, node.log.clone()?)));
    named
        .map(|(node, path)| {
            let tail = if is_plain(&path) {
                read_tail(folder, Path::new(&path)).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => "not kept".to_owned(),
                    _ => format!("cannot be read: {error}"),
                })
            } else {
                Err("not a plain path inside of the run directory".to_owned())
            };
            (node, NodeLog { path, tail })
        })
        .collect()
}

/// Whether a path stays inside of the folder it is relative to, and can stand in a link as it is. Run
/// directories are handed around: theirs must not lead a report to other files.
fn is_plain(path: &str) -> bool {
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    !path.is_empty()
        && path.chars().all(harmless)
        && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

fn read_tail(folder: &Path, way: &Path) -> io::Result<LogTail> {
    // Not through a link, and not from a pipe that never ends.
    let mut file = foreign::open_inside(folder, way)?;
    let bytes = file.metadata()?.len();
    let skipped = bytes.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(skipped))?;
    let mut end = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut end)?;
    let text = String::from_utf8_lossy(&end);
    // What was cut in the middle of a line begins with the next one, if there is one.
    let text = match text.split_once('\n') {
        Some((_, rest)) if skipped > 0 && !rest.is_empty() => rest,
        _ => text.as_ref(),
    };
    let all: Vec<&str> = text.lines().collect();
    let first = all.len().saturating_sub(TAIL_LINES);
    let printable = |line: &&str| line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
    Ok(LogTail {
        bytes,
        lines: all[first..].iter().map(printable).collect(),
        whole: skipped == 0 && first == 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic;

    fn logs_of(folder: &Path, path: &str) -> NodeLog {
        let mut manifest = synthetic::manifest();
        manifest.nodes[1].log = Some(path.to_owned());
        let mut logs = read_all(folder, &manifest);
        assert_eq!(logs.len(), 1, "only the node that has a log");
        logs.remove(&2).unwrap()
    }

    fn tail_of(text: &[u8]) -> LogTail {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("nodes/n2")).unwrap();
        std::fs::write(folder.path().join("nodes/n2/log.txt"), text).unwrap();
        logs_of(folder.path(), "nodes/n2/log.txt").tail.unwrap()
    }

    #[test]
    fn a_short_log_is_shown_whole_without_what_cannot_be_printed() {
        let tail = tail_of(b"first\n\x1b[31msecond\xff\n");
        assert_eq!(
            tail,
            LogTail { bytes: 19, lines: vec!["first".into(), "[31msecond\u{fffd}".into()], whole: true }
        );
        assert_eq!(tail_of(b""), LogTail { bytes: 0, lines: vec![], whole: true });
    }

    #[test]
    fn of_a_long_log_the_last_whole_lines_are_kept() {
        let text: String = (0..100_000).map(|i| format!("line {i}\n")).collect();
        let tail = tail_of(text.as_bytes());
        assert_eq!((tail.bytes, tail.lines.len(), tail.whole), (text.len() as u64, TAIL_LINES, false));
        assert_eq!((tail.lines[0].as_str(), tail.lines[19].as_str()), ("line 99980", "line 99999"));
    }

    #[test]
    fn one_endless_line_is_cut() {
        for end in ["", "\n"] {
            let tail = tail_of(format!("{}{end}", "x".repeat(1 << 20)).as_bytes());
            assert_eq!((tail.lines.len(), tail.whole), (1, false));
            assert!(tail.lines[0].len() as u64 <= TAIL_BYTES && tail.lines[0].starts_with('x'));
        }
    }

    #[test]
    fn only_files_inside_of_the_run_directory_are_shown() {
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret");
        std::fs::write(&secret, "secret").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(&secret, folder.path().join("link")).unwrap();
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        for path in ["../secret", "/etc/passwd", "", "nodes/../..", "java:script", "link", "folder"] {
            assert!(logs_of(folder.path(), path).tail.is_err(), "{path}");
        }
        assert_eq!(logs_of(folder.path(), "gone.txt").tail, Err("not kept".into()));
    }
}
