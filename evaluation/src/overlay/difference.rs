//! What sets the runs apart besides their driver. Where the scenarios differ, the comparison is not like
//! with like.

use std::collections::BTreeMap;

use toml::Value;

use crate::overlay::Layer;

/// So many differences of one run are told.
const MAX_TOLD: usize = 8;

/// Differences from the first run, a sentence each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// Of the scenarios: seed, cluster, load, faults.
    pub scenarios: Vec<String>,
    /// Of everything else that figures depend on: build, commit, machine; and runs that are not whole.
    pub circumstances: Vec<String>,
}

impl Differences {
    /// What sets the others apart from the first.
    pub fn between(layers: &[Layer]) -> Self {
        let mut differences = Self::default();
        if let Some((first, others)) = layers.split_first() {
            for other in others {
                differences.scenarios.extend(told(other, first, settings));
                differences.circumstances.extend(told(other, first, circumstances));
            }
        }
        for layer in layers {
            if let Some(reason) = &layer.run.manifest.interrupted {
                differences.circumstances.push(format!("{} was cut short: {reason}", layer.letter));
            }
        }
        differences
    }

    /// Both lists, each with what it means; without those that are empty.
    pub fn told(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        [
            ("Not like with like: the scenarios differ.", self.scenarios.as_slice()),
            ("Besides the driver, this is different too:", self.circumstances.as_slice()),
        ]
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
    }
}

/// Names and values of a run.
pub(super) type Facts = BTreeMap<String, String>;

fn told(other: &Layer, first: &Layer, facts: fn(&Layer) -> Facts) -> Vec<String> {
    let (a, b) = (facts(first), facts(other));
    let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
    // What lies less deep says more: the seed before the third fault's target.
    names.sort_unstable_by_key(|name| (name.matches(['.', '[']).count(), *name));
    names.dedup();
    names.retain(|name| a.get(*name) != b.get(*name));
    let value = |facts: &Facts, name: &String| facts.get(name).map_or("absent".to_owned(), Clone::clone);
    let sentence = |name: &&String| {
        let (here, there) = (value(&b, name), value(&a, name));
        format!("{}: {name} is {here} ({}: {there})", other.letter, first.letter)
    };
    let mut told: Vec<String> = names.iter().take(MAX_TOLD).map(sentence).collect();
    if names.len() > MAX_TOLD {
        told.push(format!("{}: and {} more", other.letter, names.len() - MAX_TOLD));
    }
    told
}

/// Everything that the scenario says of what is done, not of how nodes are started or what must hold. Taken
/// from its text with every default spelled out, so that no key is forgotten.
pub(super) fn settings(layer: &Layer) -> Facts {
    let mut facts = Facts::new();
    let mut scenario: toml::Table = layer.run.scenario.to_toml().parse().unwrap_or_default();
    scenario.remove("pass");
    if let Some(Value::Table(cluster)) = scenario.get_mut("cluster") {
        cluster.remove("driver");
    }
    flatten(&mut facts, String::new(), &Value::Table(scenario));
    facts
}

/// `load.stages[1].rate`: `100`.
fn flatten(facts: &mut Facts, name: String, value: &Value) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                flatten(facts, name, value);
            }
        }
        Value::Array(entries) if entries.iter().all(Value::is_table) => {
            for (place, entry) in entries.iter().enumerate() {
                flatten(facts, format!("{name}[{place}]"), entry);
            }
        }
        leaf => {
            facts.insert(name, leaf.to_string());
        }
    }
}

fn circumstances(layer: &Layer) -> Facts {
    let m = &layer.run.manifest;
    let machine = &m.machine;
    [
        ("the scenario's name", m.scenario.clone()),
        ("the version", m.version.clone()),
        ("the commit", m.commit.clone().unwrap_or_else(|| "unknown".to_owned())),
        ("the build", m.build.clone()),
        ("the machine", format!("{}, {} cores", machine.cpu, machine.cores)),
        ("the system", format!("{}, kernel {}", machine.os, machine.kernel)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
