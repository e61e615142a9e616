//! Reads `[[fault]]`.

use std::time::Duration;

use super::{
    Fault, FaultKind, ScenarioError, Target,
    source::{Item, Keys, Section},
};

/// How long after the last stage a fault may still be healed.
pub(super) const HEAL_GRACE: Duration = Duration::from_secs(60);
/// So many faults make a schedule; more are a slip of the unit in `every`.
const MAX_FAULTS: usize = 1000;

const FAULT: Keys = Keys { known: &["at", "every", "between", "do", "target", "heal"], later: &[] };

/// The fault schedule in order of time, repeated faults written out, for stages that last `end`.
pub(super) fn faults(list: Option<Item>, end: Duration, nodes: u32) -> Result<Vec<Fault>, ScenarioError> {
    let Some(list) = list else {
        return Ok(Vec::new());
    };
    let mut faults = Vec::new();
    for item in list.array("[[fault]], in double brackets")? {
        let section = item.section(&FAULT)?;
        let template = Fault {
            at: Duration::ZERO,
            kind: kind(&section)?,
            target: section.get("target").map_or(Ok(Target::Leader), |item| target(&item, nodes))?,
            heal: (section.get("heal").map(|item| item.duration_above_zero())).transpose()?,
        };
        for at in times(&section, end)? {
            faults.push(Fault { at, ..template.clone() });
            if faults.len() > MAX_FAULTS {
                let wrong = format!("more than {MAX_FAULTS} faults");
                let name = if section.get("every").is_some() { "every" } else { "at" };
                return Err(section.invalid(name, wrong, format_args!("at most {MAX_FAULTS} in all")));
            }
            if template.heal.is_some_and(|heal| at + heal > end + HEAL_GRACE) {
                let healed = humantime::format_duration(at + template.heal.unwrap_or_default());
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

fn kind(section: &Section) -> Result<FaultKind, ScenarioError> {
    let kinds = FaultKind::ALL.map(|kind| (kind.name(), kind));
    (section.need("do", "do = \"kill\" or another fault")?).choice(&kinds, &["link"])
}

fn target(item: &Item, nodes: u32) -> Result<Target, ScenarioError> {
    let expected = if nodes == 1 {
        "one of leader, random, all, n1".to_owned()
    } else {
        format!("one of leader, random, all, n1 to n{nodes}")
    };
    let text = item.string(&expected)?;
    match text {
        "leader" => return Ok(Target::Leader),
        "random" => return Ok(Target::Random),
        "all" => return Ok(Target::All),
        "worker" | "minority" => {
            return Err(item.invalid(format_args!("\"{text}\" is not supported yet"), expected));
        }
        _ => {}
    }
    // Only the number as it is printed: `n02` and `n+2` are no names of nodes.
    (1..=nodes)
        .find(|node| text.strip_prefix('n').is_some_and(|number| number == node.to_string()))
        .map(|node| Target::Node(node.into()))
        .ok_or_else(|| item.invalid(format_args!("\"{text}\" is unknown"), expected))
}

/// When the fault strikes: once `at`, or `every` so long from the first time of `between` on, as
/// long as it is before the second.
fn times(section: &Section, end: Duration) -> Result<Vec<Duration>, ScenarioError> {
    const BETWEEN: &str = "two times such as [\"30s\", \"50s\"]";
    let before_end = |item: &Item| match item.duration()? {
        at if at < end => Ok(at),
        at => Err(item.invalid(
            format_args!("{} is not before the end", humantime::format_duration(at)),
            format_args!("a time before {}, when the last stage ends", humantime::format_duration(end)),
        )),
    };
    match (section.get("at"), section.get("every"), section.get("between")) {
        (Some(at), None, None) => Ok(vec![before_end(&at)?]),
        (None, Some(every), Some(between)) => {
            let every = every.duration_above_zero()?;
            let limits = between.array(BETWEEN)?;
            let [from, to] = limits.as_slice() else {
                return Err(between.invalid(format_args!("is an array of {}", limits.len()), BETWEEN));
            };
            let first = before_end(from)?;
            let last = to.duration()?;
            if last > end {
                return Err(to.invalid(
                    format_args!("{} is after the end", humantime::format_duration(last)),
                    format_args!("at most {}, when the last stage ends", humantime::format_duration(end)),
                ));
            }
            if last <= first {
                return Err(between.invalid("ends before it begins", BETWEEN));
            }
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
