//! Which faults there are, and with which driver: `loadgen faults`.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use crate::scenario::{Driver, FaultKind};

/// One kind of fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// As in scenarios.
    pub name: &'static str,
    /// What it does to a node.
    pub does: &'static str,
    /// The keys that it takes besides those of every fault.
    pub settings: &'static [&'static str],
    /// The drivers that it is available with.
    pub drivers: Vec<&'static str>,
    /// Why it is not, for each of the others.
    pub unavailable: BTreeMap<&'static str, &'static str>,
}

/// Every kind of fault.
pub fn table() -> Vec<Row> {
    FaultKind::EACH.map(row).into()
}

fn row(kind: FaultKind) -> Row {
    let available = |driver: &Driver| kind.unavailable(*driver).is_none();
    let reason = |driver: Driver| Some((driver.name(), kind.unavailable(driver)?));
    Row {
        name: kind.name(),
        does: kind.about(),
        settings: kind.settings(),
        drivers: Driver::ALL.into_iter().filter(available).map(Driver::name).collect(),
        unavailable: Driver::ALL.into_iter().filter_map(reason).collect(),
    }
}

/// The table as people read it.
pub fn text() -> String {
    let rows = table();
    let longest = |text: fn(&Row) -> &str| rows.iter().map(text).map(str::len).max().unwrap_or_default();
    let (names, deeds) = (longest(|row| row.name), longest(|row| row.does));
    let mut out = String::new();
    for row in &rows {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{:names$}  {:deeds$}  {}", row.name, row.does, row.drivers.join(", "));
        for (driver, reason) in &row.unavailable {
            let _ = writeln!(out, "{:names$}  not with {driver}: {reason}", "");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_left_out_is_told_why() {
        let rows = table();
        let full = rows.iter().find(|row| row.name == "disk_full").unwrap();
        assert_eq!((&full.drivers[..], full.unavailable.len()), (&["docker"][..], 1));
        assert!(rows.iter().all(|row| row.drivers.len() + row.unavailable.len() == Driver::ALL.len()));
        let text = text();
        assert!(text.contains("\n           not with process: it needs a volume"), "{text}");
        assert!(
            text.lines().any(|line| line.starts_with("kill ") && line.ends_with(" process, docker")),
            "{text}"
        );
    }
}
