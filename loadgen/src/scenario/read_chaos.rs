//! Reads `[chaos]`.

use std::time::Duration;

use super::{
    Chaos, Cluster, FaultKind, ScenarioError,
    read_fault::{BETWEEN, HEAL_GRACE, between},
    read_kind,
    source::{Item, Keys, Section},
};

pub(super) const CHAOS: Keys = Keys { known: &["between", "every", "faults", "heal"], later: &[] };

const EVERY: Duration = Duration::from_secs(12);
const HEAL: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(8)];

/// What is drawn at random, for stages that last `end`.
pub(super) fn chaos(section: &Section, end: Duration, cluster: &Cluster) -> Result<Chaos, ScenarioError> {
    Ok(Chaos {
        between: between(&section.need("between", BETWEEN)?, end)?,
        every: section.get("every").map_or(Ok(EVERY), |item| item.duration_above_zero())?,
        heal: section.get("heal").map_or(Ok(HEAL), |item| heal(&item))?,
        faults: section.get("faults").map(|item| faults(&item, cluster)).transpose()?,
    })
}

fn heal(item: &Item) -> Result<[Duration; 2], ScenarioError> {
    const EXPECTED: &str = "the shortest and the longest such as [\"2s\", \"8s\"]";
    let [shortest, longest] = item.pair(EXPECTED)?;
    let heal = [shortest.duration_above_zero()?, longest.duration_above_zero()?];
    if heal[1] < heal[0] {
        return Err(item.invalid("begins with the longer one", EXPECTED));
    }
    if heal[1] > HEAL_GRACE {
        let longest_allowed = humantime::format_duration(HEAL_GRACE);
        let wrong = format!("{} is too long", humantime::format_duration(heal[1]));
        return Err(longest.invalid(wrong, format_args!("at most \"{longest_allowed}\"")));
    }
    Ok(heal)
}

fn faults(item: &Item, cluster: &Cluster) -> Result<Vec<FaultKind>, ScenarioError> {
    const EXPECTED: &str = "a list of faults such as [\"kill\", \"pause\"]";
    let kinds = FaultKind::EACH.map(|kind| (kind.name(), kind));
    let mut faults = Vec::new();
    for item in item.array(EXPECTED)? {
        let kind = item.choice(&kinds, &[])?;
        if faults.contains(&kind) {
            return Err(item.invalid("is listed twice", "each fault once"));
        }
        read_kind::is_possible(kind, &item, cluster)?;
        faults.push(kind);
    }
    if faults.is_empty() {
        return Err(item.invalid("is empty", EXPECTED));
    }
    Ok(faults)
}
