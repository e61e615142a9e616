//! Reads what a fault does, with its settings, and to whom.

use std::time::Duration;

use super::{
    Cluster, Cut, Direction, FaultKind, Reach, ScenarioError, Target,
    source::{Item, Section},
};
use crate::link::Quality;

/// Keys that some faults take. A fault that does not take a key refuses it.
pub(super) const SETTINGS: [&str; 10] =
    ["cut", "direction", "period", "share", "delay", "jitter", "loss", "resets", "rate", "links"];

/// Of one processor.
const LEAST_SHARE: f64 = 0.05;
/// Probes have to tell a cut from what is no cut.
const LEAST_PERIOD: Duration = Duration::from_millis(100);

impl FaultKind {
    /// The settings it takes, by their keys.
    pub fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Kill | Self::Stop | Self::Restart | Self::Pause | Self::DiskFull | Self::Replace => &[],
            Self::Throttle { .. } => &["share"],
            Self::Ignore { .. } | Self::Partition { .. } | Self::Halves { .. } | Self::Bridge { .. } => {
                &["cut"]
            }
            Self::OneWay { .. } => &["direction", "cut"],
            Self::Flapping { .. } => &["period", "cut"],
            Self::Link { .. } => &["delay", "jitter", "loss", "resets", "rate", "links"],
        }
    }
}

/// What a `[[fault]]` does.
pub(super) fn kind(section: &Section, cluster: &Cluster) -> Result<FaultKind, ScenarioError> {
    let item = section.need("do", "do = \"kill\" or another fault")?;
    let kind = item.choice(&FaultKind::EACH.map(|kind| (kind.name(), kind)), &[])?;
    let foreign = |name: &&str| !kind.settings().contains(name) && section.get(name).is_some();
    if let Some(name) = SETTINGS.iter().find(|name| foreign(name)) {
        let takers = FaultKind::EACH.iter().filter(|kind| kind.settings().contains(name));
        let takers: Vec<_> = takers.map(|kind| kind.name()).collect();
        return Err(section.invalid(
            name,
            format_args!("does not go with {}", kind.name()),
            format_args!("it with {} only", takers.join(", ")),
        ));
    }
    is_possible(kind, &item, cluster)?;
    with_settings(kind, section)
}

/// Complains at `item` when the cluster cannot be struck by that.
pub(super) fn is_possible(kind: FaultKind, item: &Item, cluster: &Cluster) -> Result<(), ScenarioError> {
    match kind.lacks(cluster) {
        Some((wrong, expected)) => Err(item.invalid(format_args!("{} {wrong}", kind.name()), expected)),
        None => Ok(()),
    }
}

fn with_settings(kind: FaultKind, section: &Section) -> Result<FaultKind, ScenarioError> {
    Ok(match kind {
        FaultKind::Kill
        | FaultKind::Stop
        | FaultKind::Restart
        | FaultKind::Pause
        | FaultKind::DiskFull
        | FaultKind::Replace => kind,
        FaultKind::Throttle { share } => {
            FaultKind::Throttle { share: section.get("share").map_or(Ok(share), |item| processor(&item))? }
        }
        FaultKind::Ignore { .. } => FaultKind::Ignore { cut: cut(section)? },
        FaultKind::Partition { .. } => FaultKind::Partition { cut: cut(section)? },
        FaultKind::Halves { .. } => FaultKind::Halves { cut: cut(section)? },
        FaultKind::Bridge { .. } => FaultKind::Bridge { cut: cut(section)? },
        FaultKind::OneWay { direction, .. } => {
            let directions = Direction::ALL.map(|direction| (direction.name(), direction));
            let given = section.get("direction").map_or(Ok(direction), |item| item.choice(&directions, &[]));
            FaultKind::OneWay { direction: given?, cut: cut(section)? }
        }
        FaultKind::Flapping { period: default, .. } => {
            let period = section.get("period").map_or(Ok(default), |item| period(&item))?;
            FaultKind::Flapping { period, cut: cut(section)? }
        }
        FaultKind::Link { links, .. } => {
            let reaches = Reach::ALL.map(|reach| (reach.name(), reach));
            let links = section.get("links").map_or(Ok(links), |item| item.choice(&reaches, &[]))?;
            FaultKind::Link { quality: quality(section)?, links }
        }
    })
}

fn cut(section: &Section) -> Result<Cut, ScenarioError> {
    let cuts = Cut::ALL.map(|cut| (cut.name(), cut));
    section.get("cut").map_or(Ok(Cut::default()), |item| item.choice(&cuts, &[]))
}

fn processor(item: &Item) -> Result<f64, ScenarioError> {
    let expected = format!("a share of one processor from {LEAST_SHARE} to 1");
    match item.number(&expected)? {
        share if (LEAST_SHARE..=1.0).contains(&share) => Ok(share),
        share => Err(item.invalid(format_args!("{share} is not possible"), expected)),
    }
}

fn period(item: &Item) -> Result<Duration, ScenarioError> {
    match item.duration()? {
        period if period >= LEAST_PERIOD => Ok(period),
        period => Err(item.invalid(
            format_args!("{} is too short", humantime::format_duration(period)),
            format_args!("at least \"{}\"", humantime::format_duration(LEAST_PERIOD)),
        )),
    }
}

fn quality(section: &Section) -> Result<Quality, ScenarioError> {
    let time = |name| section.get(name).map_or(Ok(Duration::ZERO), |item| item.duration());
    let share = |name| section.get(name).map_or(Ok(0.0), |item| share_of_pieces(&item));
    let quality = Quality {
        delay: time("delay")?,
        jitter: time("jitter")?,
        loss: share("loss")?,
        resets: share("resets")?,
        rate: section.get("rate").map(|item| item.bytes_a_second()).transpose()?,
    };
    if quality == Quality::HARMLESS {
        let expected = "at least one of delay, jitter, loss, resets, rate, and not all zero";
        return Err(section.invalid("do", "link does no harm as it stands", expected));
    }
    Ok(quality)
}

fn share_of_pieces(item: &Item) -> Result<f64, ScenarioError> {
    const EXPECTED: &str = "a share from 0 to 1";
    match item.number(EXPECTED)? {
        share if (0.0..=1.0).contains(&share) => Ok(share),
        share => Err(item.invalid(format_args!("{share} is not possible"), EXPECTED)),
    }
}

/// Whom a `[[fault]]` of that kind strikes.
pub(super) fn target(section: &Section, kind: FaultKind, nodes: u32) -> Result<Target, ScenarioError> {
    let Some(item) = section.get("target") else {
        return Ok(Target::Leader);
    };
    let names = if nodes == 1 { "n1".to_owned() } else { format!("n1 to n{nodes}") };
    let several: &[Target] = match (kind.strikes_one(), nodes) {
        (true, _) => &[],
        (false, 1) => &[Target::Majority, Target::All],
        (false, _) => &[Target::Minority, Target::Majority, Target::All],
    };
    let known: Vec<_> = [Target::Leader, Target::Random].iter().chain(several).copied().collect();
    let listed: Vec<_> = known.iter().map(Target::to_string).collect();
    let expected = format!("one of {}, {names}", listed.join(", "));
    let text = item.string(&expected)?;
    let node = |node: &u32| text.strip_prefix('n').is_some_and(|number| number == node.to_string());
    // Only the number as it is printed: `n02` and `n+2` are no names of nodes.
    let node = (1..=nodes).find(node).map(|node| Target::Node(node.into()));
    if let Some(target) = known.into_iter().find(|target| target.to_string() == text).or(node) {
        return Ok(target);
    }
    let wrong = match text {
        "all" | "minority" | "majority" if kind.strikes_one() => {
            format!("\"{text}\" does not go with {}, which strikes one node", kind.name())
        }
        "minority" => "\"minority\" of one node is nobody".to_owned(),
        "worker" => "\"worker\" is not supported yet".to_owned(),
        _ => format!("\"{text}\" is unknown"),
    };
    Err(item.invalid(wrong, expected))
}
