//! Reads `[[fault]]`.

use std::time::Duration;

use super::{
    Cluster, Fault, FaultKind, ScenarioError, When, read_kind,
    source::{Item, Keys, Section},
};

/// How long after the last stage a fault may still be healed.
pub(super) const HEAL_GRACE: Duration = Duration::from_secs(60);
/// So many faults make a schedule; more are a slip of the unit in `every`.
pub(super) const MAX_FAULTS: usize = 1000;

pub(super) const BETWEEN: &str = "two times such as [\"30s\", \"50s\"]";

const FAULT: Keys = Keys {
    known: &[
        "at",
        "every",
        "between",
        "spread",
        "when",
        "do",
        "target",
        "heal",
        "cut",
        "direction",
        "period",
        "share",
        "delay",
        "jitter",
        "loss",
        "resets",
        "rate",
        "links",
    ],
    later: &[],
};

/// The fault schedule in order of time, repeated faults written out, for stages that last `end`.
pub(super) fn faults(
    list: Option<Item>,
    end: Duration,
    cluster: &Cluster,
) -> Result<Vec<Fault>, ScenarioError> {
    let Some(list) = list else {
        return Ok(Vec::new());
    };
    let mut faults = Vec::new();
    for item in list.array("[[fault]], in double brackets")? {
        let section = item.section(&FAULT)?;
        let kind = read_kind::kind(&section, cluster)?;
        let template = Fault {
            at: Duration::ZERO,
            spread: spread(&section)?,
            when: section
                .get("when")
                .map_or(Ok(When::Due), |item| item.choice(&When::ALL.map(|when| (when.name(), when)), &[]))?,
            kind,
            target: read_kind::target(&section, kind, cluster.nodes)?,
            heal: heal(&section, kind)?,
        };
        for at in times(&section, end)? {
            faults.push(Fault { at, ..template.clone() });
            if faults.len() > MAX_FAULTS {
                let wrong = format!("more than {MAX_FAULTS} faults");
                let name = if section.get("every").is_some() { "every" } else { "at" };
                return Err(section.invalid(name, wrong, format_args!("at most {MAX_FAULTS} in all")));
            }
            let latest = at + template.spread;
            if !template.spread.is_zero() && latest >= end {
                return Err(section.invalid(
                    "spread",
                    format_args!("the fault strikes as late as {}", humantime::format_duration(latest)),
                    format_args!(
                        "a time before {}, when the last stage ends",
                        humantime::format_duration(end)
                    ),
                ));
            }
            if template.heal.is_some_and(|heal| latest + heal > end + HEAL_GRACE) {
                let healed = humantime::format_duration(latest + template.heal.unwrap_or_default());
                return Err(section.invalid(
                    "heal",
                    format_args!("the fault is healed at {healed}"),
                    format_args!(
                        "at most {} after the last stage, which ends at {}",
                        humantime::format_duration(HEAL_GRACE),
                        humantime::format_duration(end),
                    ),
                ));
            }
        }
    }
    // Stable: of two at one time the one that stands first in the file goes first.
    faults.sort_by_key(|fault: &Fault| fault.at);
    Ok(faults)
}

fn heal(section: &Section, kind: FaultKind) -> Result<Option<Duration>, ScenarioError> {
    match section.get("heal") {
        Some(item) if kind.heals_by_itself() => {
            let wrong = format!("does not go with {}, which starts the node again at once", kind.name());
            Err(item.invalid(wrong, "no heal"))
        }
        item => item.map(|item| item.duration_above_zero()).transpose(),
    }
}

/// How much later than its time it may strike, but never later than the next of its kind is due.
fn spread(section: &Section) -> Result<Duration, ScenarioError> {
    let Some(item) = section.get("spread") else { return Ok(Duration::ZERO) };
    let spread = item.duration()?;
    let every = section.get("every").map(|every| every.duration()).transpose()?;
    match every {
        Some(every) if spread > every => {
            let expected =
                format_args!("at most {}, as every says", humantime::format_duration(every)).to_string();
            Err(item.invalid(format_args!("{} is too long", humantime::format_duration(spread)), expected))
        }
        _ => Ok(spread),
    }
}

/// When the fault strikes: once `at`, or `every` so long from the first time of `between` on, as
/// long as it is before the second.
fn times(section: &Section, end: Duration) -> Result<Vec<Duration>, ScenarioError> {
    match (section.get("at"), section.get("every"), section.get("between")) {
        (Some(at), None, None) => Ok(vec![before_end(&at, end)?]),
        (None, Some(every), Some(limits)) => {
            let every = every.duration_above_zero()?;
            let [first, last] = between(&limits, end)?;
            let times = std::iter::successors(Some(first), |at| Some(*at + every));
            // One more than allowed is enough for the caller to refuse.
            Ok(times.take_while(|at| *at < last).take(MAX_FAULTS + 1).collect())
        }
        (None, None, None) => Err(section.invalid("at", "missing", "at = \"15s\", or every and between")),
        (None, Some(_), None) => Err(section.invalid("between", "missing", BETWEEN)),
        (None, None, Some(_)) => Err(section.invalid("every", "missing", "every = \"15s\"")),
        (Some(_), ..) => Err(section.invalid("at", "given with every or between", "one or the other")),
    }
}

/// Two times, of which the first is before stages end that last `end`, and the second not after that.
pub(super) fn between(item: &Item, end: Duration) -> Result<[Duration; 2], ScenarioError> {
    let [from, to] = item.pair(BETWEEN)?;
    let first = before_end(&from, end)?;
    let last = to.duration()?;
    if last > end {
        return Err(to.invalid(
            format_args!("{} is after the end", humantime::format_duration(last)),
            format_args!("at most {}, when the last stage ends", humantime::format_duration(end)),
        ));
    }
    if last <= first {
        return Err(item.invalid("ends before it begins", BETWEEN));
    }
    Ok([first, last])
}

fn before_end(item: &Item, end: Duration) -> Result<Duration, ScenarioError> {
    match item.duration()? {
        at if at < end => Ok(at),
        at => Err(item.invalid(
            format_args!("{} is not before the end", humantime::format_duration(at)),
            format_args!("a time before {}, when the last stage ends", humantime::format_duration(end)),
        )),
    }
}
