//! Writes a scenario as resolved: every default spelled out.

use std::{fmt::Write as _, time::Duration};

use super::{Chaos, Cut, FaultKind, Images, Scenario, SlowDisk, Stage, When};

impl Scenario {
    /// The scenario as a file that [`Scenario::parse`] reads back to an equal one. Repeated faults
    /// are written one by one.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "version = 1\nseed = {}\n", self.seed)?;
        writeln!(out, "[cluster]\nnodes = {}", self.cluster.nodes)?;
        writeln!(out, "driver = {}", quoted(self.cluster.driver.name()))?;
        writeln!(out, "tls = {}", self.cluster.tls)?;
        let limits = &self.cluster.limits;
        let sizes = [("memory", limits.memory_bytes), ("disk", limits.disk_bytes)];
        let sizes = sizes.into_iter().filter_map(|(name, bytes)| Some((name, quoted(&size(bytes?)))));
        let cpus = limits.cpus.map(|cpus| ("cpus", cpus.to_string()));
        write_keys(out, cpus.into_iter().chain(sizes))?;
        let slow =
            |SlowDisk { node, sync }| ("slow_disk", format!("{{ node = {node}, sync = {} }}", time(sync)));
        write_keys(out, self.cluster.slow_disk.map(slow))?;
        writeln!(out)?;
        let load = &self.load;
        writeln!(out, "[load]\nclients = {}", load.clients)?;
        writeln!(out, "generators = {}", load.generators)?;
        writeln!(out, "from = {}", quoted(load.from.name()))?;
        writeln!(out, "arrival = {}", quoted(load.arrival.name()))?;
        writeln!(out, "max_in_flight = {}", load.max_in_flight)?;
        writeln!(out, "timeout = {}", time(load.timeout))?;
        writeln!(out, "stages = [")?;
        for stage in &load.stages {
            writeln!(out, "    {},", stage_text(stage))?;
        }
        writeln!(out, "]")?;
        let weights = load.mix.iter().map(|(kind, weight)| format!("{} = {weight}", kind.name()));
        writeln!(out, "mix = {{ {} }}", weights.collect::<Vec<_>>().join(", "))?;
        let images = match &load.images {
            Images::Photos => "photos".into(),
            Images::Folder(folder) => folder.to_string_lossy(),
        };
        writeln!(out, "images = {}\n", quoted(&images))?;
        for fault in &self.faults {
            writeln!(out, "[[fault]]\nat = {}", time(fault.at))?;
            write_keys(out, (!fault.spread.is_zero()).then(|| ("spread", time(fault.spread))))?;
            write_keys(out, (fault.when != When::Due).then(|| ("when", quoted(fault.when.name()))))?;
            writeln!(out, "do = {}", quoted(fault.kind.name()))?;
            write_keys(out, settings(fault.kind))?;
            writeln!(out, "target = {}", quoted(&fault.target.to_string()))?;
            write_keys(out, fault.heal.map(|heal| ("heal", time(heal))))?;
            writeln!(out)?;
        }
        if let Some(Chaos { between, every, heal, faults }) = &self.chaos {
            let pair = |pair: &[Duration; 2]| format!("[{}, {}]", time(pair[0]), time(pair[1]));
            writeln!(out, "[chaos]\nbetween = {}\nevery = {}", pair(between), time(*every))?;
            writeln!(out, "heal = {}", pair(heal))?;
            let names = |faults: &Vec<FaultKind>| {
                let names = faults.iter().map(|kind| quoted(kind.name())).collect::<Vec<_>>();
                ("faults", format!("[{}]", names.join(", ")))
            };
            write_keys(out, faults.as_ref().map(names))?;
            writeln!(out)?;
        }
        let names = self.pass.history.iter().map(|check| quoted(check.name()));
        writeln!(out, "[pass]\nhistory = [{}]", names.collect::<Vec<_>>().join(", "))?;
        let names = self.pass.implied.iter().map(|implied| quoted(implied.name()));
        writeln!(out, "implied = [{}]", names.collect::<Vec<_>>().join(", "))?;
        writeln!(out, "limits = [")?;
        for limit in &self.pass.limits {
            writeln!(out, "    {},", quoted(&limit.text))?;
        }
        writeln!(out, "]")
    }
}

/// The settings of a fault, those of a link only where they do harm.
fn settings(kind: FaultKind) -> Vec<(&'static str, String)> {
    let how = |cut: Cut| ("cut", quoted(cut.name()));
    match kind {
        FaultKind::Kill
        | FaultKind::Stop
        | FaultKind::Restart
        | FaultKind::Pause
        | FaultKind::DiskFull
        | FaultKind::Replace => {
            vec![]
        }
        FaultKind::Throttle { share } => vec![("share", share.to_string())],
        FaultKind::Ignore { cut }
        | FaultKind::Partition { cut }
        | FaultKind::Halves { cut }
        | FaultKind::Bridge { cut } => vec![how(cut)],
        FaultKind::OneWay { direction, cut } => vec![("direction", quoted(direction.name())), how(cut)],
        FaultKind::Flapping { period, cut } => vec![("period", time(period)), how(cut)],
        FaultKind::Link { quality, links } => {
            let times = [("delay", quality.delay), ("jitter", quality.jitter)];
            let times = times.into_iter().filter(|(_, length)| !length.is_zero());
            let shares = [("loss", quality.loss), ("resets", quality.resets)];
            let shares = shares.into_iter().filter(|(_, share)| *share > 0.0);
            let rate = |rate| ("rate", quoted(&format!("{}/s", size(rate))));
            (times.map(|(name, length)| (name, time(length))))
                .chain(shares.map(|(name, share)| (name, share.to_string())))
                .chain(quality.rate.map(rate))
                .chain([("links", quoted(links.name()))])
                .collect()
        }
    }
}

fn write_keys(out: &mut String, keys: impl IntoIterator<Item = (&'static str, String)>) -> std::fmt::Result {
    keys.into_iter().try_for_each(|(name, value)| writeln!(out, "{name} = {value}"))
}

/// A size in the largest unit that it is a multiple of.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 6] = [
        ("GiB", 1 << 30),
        ("GB", 1_000_000_000),
        ("MiB", 1 << 20),
        ("MB", 1_000_000),
        ("KiB", 1 << 10),
        ("kB", 1_000),
    ];
    let whole = UNITS.into_iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    let (name, unit) = whole.unwrap_or(("B", 1));
    format!("{}{name}", bytes / unit)
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn time(length: Duration) -> String {
    quoted(&humantime::format_duration(length).to_string())
}

fn stage_text(stage: &Stage) -> String {
    // `{}` of an f64 has all its digits and no exponent: TOML reads the same number back.
    let rate = if stage.rate_from == stage.rate_to {
        stage.rate_from.to_string()
    } else {
        format!("[{}, {}]", stage.rate_from, stage.rate_to)
    };
    let (length, warmup) = (time(stage.length), stage.warmup);
    format!("{{ for = {length}, rate = {rate}, warmup = {warmup} }}")
}
