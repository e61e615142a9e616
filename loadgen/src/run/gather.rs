//! What the generators have recorded, put together, and whether it is all that they have.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{RunError, folder, progress::Step};
use crate::{
    record::{Counted, HistoryCount, file, merge},
    workload::Part,
};

/// The history of a run.
pub(super) struct Gathered {
    /// How large it is, and how large each generator says that its part was.
    pub(super) history: HistoryCount,
    /// What was lost between a generator and the run, in words.
    pub(super) flaws: Vec<String>,
}

/// Merges what lies in `parts` into the folder of the run, whose first stage began at `started`; without parts the only
/// generator has recorded there. What counts is how much each generator has `counted` itself: what the disk has lost of
/// it shows. Of one that was not asked, because it died, there is what it has left.
pub(super) fn gather(
    run: &Path,
    parts: &[PathBuf],
    counted: Vec<Option<Counted>>,
    started: SystemTime,
) -> Result<Gathered, RunError> {
    let here = [run.to_owned()];
    let folders = if parts.is_empty() { &here[..] } else { parts };
    let (mut history, mut flaws) = (HistoryCount::default(), Vec::new());
    for (part, (folder, counted)) in Part::all(folders.len() as u32).zip(folders.iter().zip(counted)) {
        let left = Counted::of(&folder.join(file::HISTORY))?;
        match &counted {
            Some(told) if *told != left => flaws.push(format!(
                "load generator {part} has recorded {} records, and what is left of them are {}, not the same",
                told.records, left.records
            )),
            Some(_) | None => {}
        }
        history.parts.push(counted.unwrap_or(left));
    }
    history.whole = if parts.is_empty() {
        history.parts.first().cloned().unwrap_or_default()
    } else {
        let _step = Step::begin("merging what the generators recorded");
        let whole = merge(parts, run, started)?;
        folder::remove_parts(run)?;
        whole
    };
    Ok(Gathered { history, flaws })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        record::{HistoryWriter, LatencyLog, Record},
        scenario::OperationKind,
    };

    /// Two generators of three records each: their folders, and what they say.
    fn recorded(run: &Path) -> (Vec<PathBuf>, Vec<Option<Counted>>) {
        let record = |place: u64| {
            let part = folder::make_part(run, &format!("g{}", place + 1)).unwrap();
            let mut writer = HistoryWriter::create(&part.join(file::HISTORY)).unwrap();
            for op in 0..3 {
                let (op, due_ns) = (2 * op + place, op as i64);
                writer.append(&Record::Shed { op, due_ns, kind: OperationKind::View }).unwrap();
            }
            LatencyLog::create(&part.join(file::LATENCY), SystemTime::now()).unwrap().finish().unwrap();
            (part, Some(writer.finish().unwrap()))
        };
        (0..2).map(record).unzip()
    }

    #[test]
    fn what_is_all_there_is_whole() {
        let run = tempfile::tempdir().unwrap();
        let (parts, counted) = recorded(run.path());
        let gathered = gather(run.path(), &parts, counted, SystemTime::now()).unwrap();
        assert_eq!(gathered.flaws, [""; 0]);
        assert_eq!(gathered.history.whole, Counted::of(&run.path().join(file::HISTORY)).unwrap());
        assert_eq!(gathered.history.missing(2), None);
    }

    #[test]
    fn what_the_disk_has_lost_before_it_was_merged_is_missed() {
        let run = tempfile::tempdir().unwrap();
        let (parts, counted) = recorded(run.path());
        let history = parts[1].join(file::HISTORY);
        let bytes = fs::read(&history).unwrap();
        fs::write(&history, &bytes[..bytes.len() - 3]).unwrap();
        let gathered = gather(run.path(), &parts, counted, SystemTime::now()).unwrap();
        assert!(
            gathered.flaws[0].starts_with("load generator g2 has recorded 3 records"),
            "{:?}",
            gathered.flaws
        );
        assert!(gathered.history.missing(2).unwrap().contains("6 records were made, and 5"));
    }

    #[test]
    fn what_the_disk_has_changed_is_noticed_although_nothing_is_missing() {
        let run = tempfile::tempdir().unwrap();
        let (parts, counted) = recorded(run.path());
        let history = parts[0].join(file::HISTORY);
        let mut bytes = fs::read(&history).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&history, bytes).unwrap();
        let gathered = gather(run.path(), &parts, counted, SystemTime::now()).unwrap();
        assert_eq!(gathered.flaws.len(), 1, "{:?}", gathered.flaws);
    }

    #[test]
    fn of_a_generator_that_died_there_is_what_it_has_left() {
        let run = tempfile::tempdir().unwrap();
        let (parts, mut counted) = recorded(run.path());
        counted[1] = None;
        let gathered = gather(run.path(), &parts, counted, SystemTime::now()).unwrap();
        assert_eq!((gathered.flaws.len(), gathered.history.missing(2)), (0, None));
    }
}
