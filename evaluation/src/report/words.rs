//! What the figures say, in words; the same in every format.

use loadgen::scenario::HistoryCheck;

use crate::{
    assessment::{Assessment, Tally},
    check::CheckResult,
    failover::{Elect, Failover, KindFigures, Noise, Recover, Unavailable, node_list},
    figure::thousands,
    limit::LimitReport,
    statistics::Distribution,
};

/// Of more faults than this, lists of each are folded up, or left out where nothing can be.
pub const MANY_FAULTS: usize = 12;

/// The verdict in one sentence, without the verdict's name.
pub fn sentence(assessment: &Assessment) -> String {
    let mut parts = Vec::new();
    match assessment.failovers.as_slice() {
        [] => {
            let total = &assessment.total;
            parts.push(format!(
                "no fault struck; {} of {} operations were answered",
                thousands(total.ok),
                thousands(total.offered)
            ));
        }
        [fault] => {
            parts.push(format!("{} at {:.1} s", struck(fault), fault.injected_s));
            parts.push(at_the_fault(&fault.unavailable));
            parts.extend(at_the_healing(fault));
        }
        faults => {
            parts.push(format!("{} faults struck", faults.len()));
            let of = |told: Option<bool>| -> Vec<(&Failover, &Unavailable)> {
                let alike = faults.iter().filter(|fault| fault.is_distinguishable() == told);
                alike.map(|fault| (fault, fault.main_stretch())).collect()
            };
            let (mut told, unknown) = (of(Some(true)), of(None));
            if told.is_empty() && unknown.len() < faults.len() {
                parts.push("none of them can be told from no fault".to_owned());
            } else if !told.is_empty() && told.len() < faults.len() {
                parts.push(format!("{} of them can be told from no fault", told.len()));
            }
            if !unknown.is_empty() {
                parts.push(format!("there is nothing to compare {} of them with", unknown.len()));
            }
            if told.is_empty() {
                told = unknown;
            }
            if faults.len() > MANY_FAULTS {
                let all: Distribution = faults.iter().map(|fault| fault.unavailable.figure_ms()).collect();
                parts.push(format!(
                    "in the median nobody who asked was served for at least {}",
                    spread(&all, 0.5)
                ));
            }
            let worst = told.into_iter().max_by(|a, b| a.1.figure_ms().total_cmp(&b.1.figure_ms()));
            if let Some((fault, stretch)) = worst {
                parts.push(format!(
                    "at worst nobody who asked was served for {} (when {} at {:.1} s)",
                    unavailable(stretch),
                    struck(fault),
                    fault.injected_s
                ));
            }
        }
    }
    let lost = assessment.checks.iter().find(|c| c.check == HistoryCheck::NoLostAck);
    if let Some(lost) = lost {
        parts.push(match &lost.result {
            CheckResult::Pass => "nothing acknowledged was lost".to_owned(),
            CheckResult::Fail { violations, .. } => {
                format!("acknowledged writes were lost ({} times)", thousands(*violations))
            }
            CheckResult::Inconclusive { .. } => {
                "whether anything acknowledged was lost could not be seen".to_owned()
            }
        });
    }
    parts.join("; ")
}

/// `n2, the leader, was killed`.
fn struck(fault: &Failover) -> String {
    let did = match fault.kind.as_str() {
        "kill" => "killed".to_owned(),
        "stop" => "stopped".to_owned(),
        "restart" => "restarted".to_owned(),
        "pause" => "paused".to_owned(),
        "throttle" => "slowed down".to_owned(),
        "disk_full" => "left without room on its disk".to_owned(),
        "replace" => "replaced by an empty node".to_owned(),
        "ignore" => "silenced".to_owned(),
        "partition" => "cut off".to_owned(),
        "halves" => "cut off in the smaller half".to_owned(),
        "one_way" => "cut off one way".to_owned(),
        "bridge" => "cut off from all but one".to_owned(),
        "flapping" => "cut off over and over".to_owned(),
        "link" => "given bad links".to_owned(),
        other => format!("struck by {other}"),
    };
    let were = if fault.nodes.len() == 1 { "was" } else { "were" };
    let nodes = node_list(&fault.nodes);
    let led = fault.leader_before.is_some_and(|(leader, _)| fault.nodes.contains(&leader));
    match (led, fault.nodes.len()) {
        (true, 1) => format!("{nodes}, the leader, was {did}"),
        (true, _) => format!("{nodes}, the leader among them, {were} {did}"),
        (false, _) => format!("{nodes} {were} {did}"),
    }
}

/// `kill of the leader (n2)`; `kill of n2`.
pub fn fault_name(fault: &Failover) -> String {
    let nodes = node_list(&fault.nodes);
    let victim = fault.victim();
    if victim == nodes {
        format!("{} of {victim}", fault.kind)
    } else {
        format!("{} of {victim} ({nodes})", fault.kind)
    }
}

/// *elect* in words.
pub fn elect(fault: &Failover) -> String {
    match fault.elect {
        Elect::NotLeader => "not the leader".to_owned(),
        Elect::Never => "nobody elected".to_owned(),
        Elect::After { ms, node, term } => format!("{ms:.0} ms (n{node}, term {term})"),
    }
}

/// What was seen at a fault, as a part of a sentence.
fn at_the_fault(stretch: &Unavailable) -> String {
    match (stretch.is_distinguishable(), stretch.noise) {
        (Some(false), Some(noise)) => format!(
            "that is not distinguishable from no fault: nobody who asked was served for {}, and for {} at worst in {} \
             before",
            unavailable(stretch),
            longest_noise(&noise),
            match noise.times {
                1 => format!("{:.1} s", noise.length_s),
                times => format!("{times} times of {:.1} s", noise.length_s),
            }
        ),
        _ => format!("nobody who asked was served for {}", unavailable(stretch)),
    }
}

/// What was seen after the fault itself, as a part of a sentence; nothing, if it is what would be seen without.
fn at_the_healing(fault: &Failover) -> Option<String> {
    let stretch = fault.healing.as_ref().filter(|stretch| stretch.is_distinguishable() != Some(false))?;
    let until = match fault.settled_s {
        Some(_) => "until it was healed and settled",
        None => "as long as it was looked at (it was not seen to settle)",
    };
    Some(format!("and later, {until}, for {}", unavailable(stretch)))
}

/// *unavailable* in words: `352 to 354 ms`.
pub fn unavailable(stretch: &Unavailable) -> String {
    let least = short(stretch.at_least_ms());
    match stretch.at_most_ms().map(short) {
        None => format!("more than {least} ms, to the end"),
        Some(most) if most == least => format!("{least} ms"),
        Some(most) => format!("{least} to {most} ms"),
    }
}

/// What chance makes of *unavailable*, and whether it can be told from that.
pub fn noise(stretch: &Unavailable) -> String {
    let Some(noise) = stretch.noise else { return "no noise is known of this load".to_owned() };
    let told = match stretch.is_distinguishable() {
        Some(false) => "not distinguishable from no fault",
        Some(true) => "more than noise",
        None => "seen too little to tell it from noise",
    };
    format!("{told}: {}", noise_alone(&noise))
}

/// `1.2 ms in the last such time before, at worst 2.2 to 3.4 ms in 97 of them`.
fn noise_alone(noise: &Noise) -> String {
    let latest = short(noise.latest.at_least_ms());
    match noise.times {
        1 => format!("{latest} ms in {:.1} s before", noise.length_s),
        times => {
            let worst = longest_noise(noise);
            format!("{latest} ms in the last such time before, at worst {worst} in {times} of them")
        }
    }
}

/// The longest stretch of noise: `1.2 to 3.4 ms`.
fn longest_noise(noise: &Noise) -> String {
    unavailable(&Unavailable { stretch: noise.worst, noise: None })
}

/// Whether there was an outage at the healing, in words.
pub fn healing(fault: &Failover) -> String {
    match &fault.healing {
        None => "–".to_owned(),
        Some(stretch) if stretch.is_distinguishable() == Some(false) => {
            format!("{}, as without a fault", unavailable(stretch))
        }
        Some(stretch) => unavailable(stretch),
    }
}

/// *unavailable* at the fault, shortly.
pub fn at_fault(fault: &Failover) -> String {
    match fault.unavailable.is_distinguishable() {
        Some(false) => format!("{}, as without a fault", unavailable(&fault.unavailable)),
        _ => unavailable(&fault.unavailable),
    }
}

/// Milliseconds with as many digits as can be seen.
fn short(ms: f64) -> String {
    if ms < 9.95 { format!("{ms:.1}") } else { format!("{ms:.0}") }
}

/// *recover* in words.
pub fn recover(fault: &Failover) -> String {
    match fault.recover {
        Recover::After { ms } => format!("{ms:.0} ms"),
        Recover::Never => "not recovered".to_owned(),
        Recover::Undecided { .. } => "undecided".to_owned(),
    }
}

/// When it was healed, in words.
pub fn healed(fault: &Failover) -> String {
    fault.healed_s.map_or_else(|| "never".to_owned(), |s| format!("{s:.3} s"))
}

/// The quantiles of tables over faults: their names and parts.
pub const OVER_FAULTS: [(&str, f64); 4] = [("median", 0.5), ("p90", 0.9), ("p99", 0.99), ("worst", 1.0)];

/// A quantile over faults in words.
pub fn spread(values: &Distribution, q: f64) -> String {
    match values.quantile(q) {
        Some(value) if value.is_infinite() => "no end".to_owned(),
        None => "–".to_owned(),
        value => format!("{} ms", latency(value)),
    }
}

/// The table of kinds: a row a kind and figure, below the names of its columns. Kinds that struck once are left
/// out: their figures stand in the list of faults.
pub fn kinds(kinds: &[KindFigures]) -> Vec<[String; 7]> {
    let several = kinds.iter().filter(|kind| kind.faults > 1);
    let rows = several.flat_map(|kind| {
        kind.figures().into_iter().filter(|(_, values)| values.count() > 0).map(|(figure, values)| {
            let [median, p90, p99, worst] = OVER_FAULTS.map(|(_, q)| spread(values, q));
            [kind.kind.clone(), figure.to_owned(), thousands(values.count() as u64), median, p90, p99, worst]
        })
    });
    rows.collect()
}

/// The names of the columns of [`kinds`].
pub const KINDS: [&str; 7] = ["fault", "figure", "n", "median", "p90", "p99", "worst"];

/// How well the load generator has kept to the times that were drawn.
pub fn send_error(total: &Tally) -> Option<String> {
    let ms = |q| total.send_errors.quantile_ms(q).map(|ms| format!("{ms:.3}"));
    let (p50, p99, max) = (ms(0.5)?, ms(0.99)?, ms(1.0)?);
    Some(format!("Operations were sent {p50} ms after they were due (p50), {p99} ms (p99), at most {max} ms"))
}

/// A latency in milliseconds, with as many digits as mean something.
pub fn latency(ms: Option<f64>) -> String {
    match ms {
        None => "–".to_owned(),
        Some(ms) if ms < 10.0 => format!("{ms:.2}"),
        Some(ms) if ms < 100.0 => format!("{ms:.1}"),
        Some(ms) => format!("{ms:.0}"),
    }
}

/// A size in bytes, in the largest unit that it fills.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(size, _)| bytes >= *size) {
        None => format!("{bytes} bytes"),
        Some((size, unit)) => {
            let value = format!("{:.1}", bytes as f64 / size as f64);
            format!("{} {unit}", value.trim_end_matches(".0"))
        }
    }
}

/// What there is, or a dash.
pub fn or_dash(text: Option<&str>) -> &str {
    text.unwrap_or("–")
}

/// The quantiles of tables: their names and parts.
pub const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];

/// How many violations, in words.
pub fn violations(count: u64) -> String {
    match count {
        1 => "1 violation".to_owned(),
        n => format!("{} violations", thousands(n)),
    }
}

/// Whether a limit holds: `pass`, `fail` or `inconclusive`, and the word for it.
pub fn holds(limit: &LimitReport) -> (&'static str, &'static str) {
    match (limit.holds, limit.undecided) {
        (true, _) => ("pass", "yes"),
        (false, true) => ("inconclusive", "not seen"),
        (false, false) => ("fail", "no"),
    }
}
