//! Writes a scenario as resolved: every default spelled out.

use std::{fmt::Write as _, time::Duration};

use super::{Images, Scenario, Stage};

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
        writeln!(out, "driver = {}\n", quoted(self.cluster.driver.name()))?;
        let load = &self.load;
        writeln!(out, "[load]\nclients = {}", load.clients)?;
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
            writeln!(out, "do = {}", quoted(fault.kind.name()))?;
            writeln!(out, "target = {}", quoted(&fault.target.to_string()))?;
            if let Some(heal) = fault.heal {
                writeln!(out, "heal = {}", time(heal))?;
            }
            writeln!(out)?;
        }
        let names = self.pass.history.iter().map(|check| quoted(check.name()));
        writeln!(out, "[pass]\nhistory = [{}]", names.collect::<Vec<_>>().join(", "))?;
        writeln!(out, "limits = [")?;
        for limit in &self.pass.limits {
            writeln!(out, "    {},", quoted(&limit.text))?;
        }
        writeln!(out, "]")
    }
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
