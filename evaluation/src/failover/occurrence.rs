//! Faults as they really happened, gathered from the rows of `events.csv`.

use std::collections::{BTreeSet, HashMap};

use loadgen::record::{Event, EventKind};

/// Nodes struck by one entry of the scenario within this time were struck by one fault, s.
const TOGETHER_S: f64 = 1.0;

/// One fault, on one node or several.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Occurrence {
    pub index: usize,
    pub name: String,
    pub nodes: Vec<u64>,
    pub asked_s: f64,
    pub injected_s: f64,
    pub healed_s: Option<f64>,
    healed: BTreeSet<u64>,
}

impl Occurrence {
    /// Every fault, in order of time. An entry of the scenario that strikes several nodes at once is
    /// one; an entry that strikes again later is another.
    pub(super) fn all(events: &[Event]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        // Where the latest of each entry stands.
        let mut places: HashMap<usize, usize> = HashMap::new();
        let mut sorted: Vec<&Event> = events.iter().collect();
        sorted.sort_by(|a, b| a.completed_s.total_cmp(&b.completed_s));
        for event in sorted {
            let Some(index) = event.fault else { continue };
            let latest = places.get(&index).and_then(|&place| all.get_mut(place));
            match (event.event, latest) {
                (EventKind::Fault, Some(o)) if o.joins(event) => {
                    o.nodes.push(event.node);
                    o.asked_s = o.asked_s.min(event.invoked_s);
                }
                (EventKind::Fault, _) => {
                    places.insert(index, all.len());
                    all.push(Self {
                        index,
                        name: event.detail.clone(),
                        nodes: vec![event.node],
                        asked_s: event.invoked_s,
                        injected_s: event.completed_s,
                        healed_s: None,
                        healed: BTreeSet::new(),
                    });
                }
                (EventKind::Heal, Some(o)) => {
                    o.healed.insert(event.node);
                    if o.nodes.iter().all(|n| o.healed.contains(n)) {
                        o.healed_s = Some(event.completed_s);
                    }
                }
                (EventKind::Heal, None) | (EventKind::Leader, _) => {}
            }
        }
        for occurrence in &mut all {
            occurrence.nodes.sort_unstable();
        }
        all
    }

    fn joins(&self, event: &Event) -> bool {
        self.healed.is_empty()
            && !self.nodes.contains(&event.node)
            && event.completed_s - self.injected_s <= TOGETHER_S
    }
}
