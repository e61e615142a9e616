//! Puts together what several load generators recorded, as if one had.
//!
//! Nothing is lost or rounded. The history has the records of all, in order of time; histograms of one second
//! and tag are added, which is exact, because all have the same buckets.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{Counted, HistoryReader, HistoryWriter, LatencyLines, LatencyLog, RecordError, file, foreign};

/// No log of latencies is larger, bytes: a line a second and tag for a day.
const MAX_LATENCIES: u64 = 4 << 30;

/// Merges histories and latencies of the folders `parts` into the folder `run`. The first stage began at
/// `started`. A generator that was killed has left what it had written by then, perhaps nothing. Gives how large the
/// history is that has become of them.
///
/// # Errors
/// When something cannot be read or written.
pub fn merge(parts: &[PathBuf], run: &Path, started: SystemTime) -> Result<Counted, RecordError> {
    let whole = merge_histories(&there(parts, file::HISTORY)?, &run.join(file::HISTORY))?;
    merge_latencies(&there(parts, file::LATENCY)?, &run.join(file::LATENCY), started)?;
    Ok(whole)
}

/// The files of that name in which there is anything.
fn there(parts: &[PathBuf], name: &str) -> Result<Vec<PathBuf>, RecordError> {
    let mut found = Vec::new();
    for part in parts {
        let path = part.join(name);
        match fs::metadata(&path) {
            Ok(about) if about.len() > 0 => found.push(path),
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(RecordError::io(&path, e)),
        }
    }
    Ok(found)
}

fn merge_histories(parts: &[PathBuf], into: &Path) -> Result<Counted, RecordError> {
    let mut sources = Vec::new();
    for path in parts {
        let mut rest = HistoryReader::open(path)?;
        if let Some(next) = rest.next().transpose()? {
            sources.push((next, rest));
        }
    }
    let mut out = HistoryWriter::create(into)?;
    // There are few parts: looking at each is quicker than keeping them sorted. A record that its part has told
    // late, because two threads observed at once, follows at once.
    while let Some(first) = (0..sources.len()).min_by_key(|index| sources[*index].0.at_ns()) {
        let (next, rest) = &mut sources[first];
        out.append(next)?;
        match rest.next().transpose()? {
            Some(record) => *next = record,
            None => drop(sources.remove(first)),
        }
    }
    out.finish()
}

fn merge_latencies(parts: &[PathBuf], into: &Path, started: SystemTime) -> Result<(), RecordError> {
    let read = |path: &PathBuf| foreign::read(path, MAX_LATENCIES);
    let texts = parts.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let mut sources = Vec::new();
    for (path, text) in parts.iter().zip(&texts) {
        let mut rest = LatencyLines::of(path, text);
        if let Some(next) = rest.next().transpose()? {
            sources.push((next, rest));
        }
    }
    let mut log = LatencyLog::create(into, started)?;
    while let Some(first) = (0..sources.len()).min_by_key(|index| sources[*index].0.interval) {
        let (next, rest) = &mut sources[first];
        log.add(next)?;
        match rest.next().transpose()? {
            Some(line) => *next = line,
            None => drop(sources.remove(first)),
        }
    }
    log.finish()
}

#[cfg(test)]
mod tests;
