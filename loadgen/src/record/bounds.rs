//! What numbers and texts of a run directory can be. A stranger may have written others: what they lead to is memory,
//! time and arithmetic, so they are refused where they are read, by file, field, value and limit.

use std::{fmt::Debug, ops::RangeInclusive, path::Path};

use super::RecordError;

/// Nothing happens longer before or after the beginning of the first stage, s. A load lasts a day at most, and so does
/// an answer that is waited for.
pub const MAX_TIME_S: f64 = 180_000.0;
/// [`MAX_TIME_S`] in nanoseconds.
pub const MAX_TIME_NS: i64 = 180_000_000_000_000;
/// No run has more nodes.
pub const MAX_NODES: usize = 64;
/// No history has more records: a load has at most 5e7 operations, of two records each, and its users register.
pub const MAX_RECORDS: u64 = 1_000_000_000;
/// A name is not longer, bytes.
pub const MAX_NAME: usize = 1 << 10;
/// A reason is not longer, bytes.
pub const MAX_REASON: usize = 1 << 14;

/// Looks whether what stands in a file can be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds<'a> {
    path: &'a Path,
    /// What part of the file is looked at, from 1: `row`, 3.
    part: Option<(&'static str, u64)>,
}

impl<'a> Bounds<'a> {
    /// Of the file at `path`.
    pub(super) fn of(path: &'a Path) -> Self {
        Self { path, part: None }
    }

    /// Of a part of it, counted from 1.
    pub(super) fn part(path: &'a Path, what: &'static str, number: u64) -> Self {
        Self { path, part: Some((what, number)) }
    }

    /// Whether a number is at most so large.
    pub(super) fn most(&self, field: &str, value: u64, limit: u64) -> Result<(), RecordError> {
        if value <= limit { Ok(()) } else { Err(self.beyond(field, value, &limit.to_string())) }
    }

    /// Whether there are at most so many.
    pub(super) fn count(&self, of: &str, there: usize, limit: usize) -> Result<(), RecordError> {
        self.most(&format!("number of {of}"), there as u64, limit as u64)
    }

    /// Whether a text is at most so long, bytes.
    pub(super) fn text(&self, field: &str, text: &str, limit: usize) -> Result<(), RecordError> {
        if text.len() <= limit {
            return Ok(());
        }
        self.most(&format!("length of {field} in bytes"), text.len() as u64, limit as u64)
    }

    /// Whether things stand in order, each once: whoever names one twice has it looked at twice.
    pub(super) fn in_order(&self, of: &str, is_so: bool) -> Result<(), RecordError> {
        if is_so {
            Ok(())
        } else {
            Err(RecordError::malformed(self.path, format!("{of} are not in order, each once")))
        }
    }

    /// Whether a number is one, and lies in a range.
    pub(super) fn number(
        &self,
        field: &str,
        value: f64,
        range: RangeInclusive<f64>,
    ) -> Result<(), RecordError> {
        // What is not a number lies in no range.
        if range.contains(&value) {
            return Ok(());
        }
        Err(self.beyond(field, value, &format!("{} to {}", range.start(), range.end())))
    }

    /// Whether a time is one, and as near as a run can be, s.
    pub(super) fn time_s(&self, field: &str, value: f64) -> Result<(), RecordError> {
        self.number(field, value, -MAX_TIME_S..=MAX_TIME_S)
    }

    /// Whether a time is as near as a run can be, ns.
    pub(super) fn time_ns(&self, field: &str, value: i64) -> Result<(), RecordError> {
        if (-MAX_TIME_NS..=MAX_TIME_NS).contains(&value) {
            return Ok(());
        }
        Err(self.beyond(field, value, &format!("{} to {MAX_TIME_NS}", -MAX_TIME_NS)))
    }

    fn beyond(&self, field: &str, value: impl Debug, limit: &str) -> RecordError {
        let field = match self.part {
            Some((what, number)) => format!("{what} {number}: {field}"),
            None => field.to_owned(),
        };
        RecordError::Beyond {
            path: self.path.to_owned(),
            field,
            value: format!("{value:?}"),
            limit: limit.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_file_field_value_and_limit() {
        let path = Path::new("run/events.csv");
        let row = Bounds::part(path, "row", 3);
        let said = |result: Result<(), RecordError>| result.unwrap_err().to_string();
        assert_eq!(
            said(row.time_s("completed_s", f64::NAN)),
            "run/events.csv: row 3: completed_s is NaN, the limit is -180000 to 180000"
        );
        assert_eq!(
            said(Bounds::of(path).count("rows", 7, 5)),
            "run/events.csv: number of rows is 7, the limit is 5"
        );
        assert_eq!(
            said(row.text("detail", "abc", 2)),
            "run/events.csv: row 3: length of detail in bytes is 3, the limit is 2"
        );
        assert!(said(row.time_ns("at_ns", i64::MIN)).contains("-9223372036854775808"));
        assert!(row.time_s("at_s", MAX_TIME_S).is_ok() && row.time_ns("at_ns", -MAX_TIME_NS).is_ok());
        assert!(row.time_s("at_s", f64::INFINITY).is_err() && row.time_s("at_s", -180_001.0).is_err());
    }
}
