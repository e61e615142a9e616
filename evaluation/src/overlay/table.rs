//! The table: figures of the whole load, and the four of every fault, a column a run.

use crate::{
    assessment::Tally,
    failover::{Failover, KindFigures, Unavailable, node_list},
    figure::thousands,
    overlay::Layer,
    report::words,
    statistics::Distribution,
};

/// Rows that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What they are about.
    pub name: String,
    /// Which entry of the scenario's fault list; `None` for the whole load, and for a kind of faults.
    pub fault: Option<usize>,
    /// Which kind, where it is about all faults of one.
    pub kind: Option<String>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// One figure, of every run.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name for scripts.
    pub figure: &'static str,
    /// The unit of its values.
    pub unit: &'static str,
    /// A cell a run, in their order.
    pub cells: Vec<Cell>,
}

/// One figure of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Nothing, where it was not, or was not seen.
    pub value: Option<f64>,
    /// The value in words, or why there is none.
    pub words: String,
    /// The value as a multiple of the first run's; nothing, where one of them is missing, or is only known
    /// to be at least so much, or where the first is 0.
    pub ratio: Option<f64>,
}

impl Cell {
    /// The ratio in words.
    pub fn ratio_words(&self) -> String {
        self.ratio.map_or_else(|| "–".to_owned(), |ratio| format!("×{ratio:.2}"))
    }
}

/// A figure of one run, before it is compared.
struct Figure {
    value: Option<f64>,
    words: String,
    comparable: bool,
}

impl Figure {
    fn new(value: Option<f64>, words: String) -> Self {
        Self { value, words, comparable: true }
    }

    fn unavailable(stretch: &Unavailable) -> Self {
        let as_without = match stretch.is_distinguishable() {
            Some(false) => ", as without a fault",
            _ => "",
        };
        let words = format!("{}{as_without}", words::unavailable(stretch));
        Self { comparable: !stretch.stretch.open_ended, ..Self::new(Some(stretch.at_least_ms()), words) }
    }

    fn comparable(&self) -> Option<f64> {
        self.value.filter(|_| self.comparable)
    }
}

impl Row {
    /// The figure's name for people.
    pub fn name(&self) -> String {
        self.figure.replace('_', " ")
    }

    fn of(figure: &'static str, unit: &'static str, of_runs: Vec<Figure>) -> Self {
        let first = of_runs.first().and_then(Figure::comparable).filter(|value| *value > 0.0);
        let cell = |(place, figure): (usize, Figure)| Cell {
            ratio: match (first, figure.comparable()) {
                (Some(first), Some(value)) if place > 0 => Some(value / first),
                _ => None,
            },
            value: figure.value,
            words: figure.words,
        };
        Self { figure, unit, cells: of_runs.into_iter().enumerate().map(cell).collect() }
    }
}

/// The whole table.
pub fn groups(layers: &[Layer]) -> Vec<Group> {
    let mut groups = vec![load(layers)];
    groups.extend(kind_names(layers).into_iter().map(|name| kind(layers, name)));
    groups.extend(keys(layers).into_iter().map(|key| fault(layers, key)));
    groups
}

fn load(layers: &[Layer]) -> Group {
    let tallies: Vec<Tally> = layers.iter().map(|layer| Tally::of(layer.run.after_warmup())).collect();
    let row =
        |figure, unit, of: &dyn Fn(&Tally) -> Figure| Row::of(figure, unit, tallies.iter().map(of).collect());
    let quantile = |q: f64| {
        move |tally: &Tally| {
            let ms = tally.latencies.quantile_ms(q);
            Figure::new(ms, ms.map_or("–".to_owned(), |_| format!("{} ms", words::latency(ms))))
        }
    };
    let mut rows = vec![
        row("offered", "operations", &|tally| {
            Figure::new(Some(tally.offered as f64), thousands(tally.offered))
        }),
        row("ok_ratio", "ratio", &|tally| {
            let ratio = (tally.offered > 0).then(|| tally.ok as f64 / tally.offered as f64);
            // Never rounded up to what it misses.
            let floor = |ratio: f64| format!("{:.5}", (ratio * 1e5).floor() / 1e5);
            Figure::new(ratio, ratio.map_or("–".to_owned(), floor))
        }),
        row("p50", "ms", &quantile(0.5)),
        row("p99", "ms", &quantile(0.99)),
    ];
    let worst = |layer: &Layer| {
        let stretches = layer.assessment.failovers.iter().map(Failover::main_stretch);
        let worst = stretches.max_by(|a, b| a.figure_ms().total_cmp(&b.figure_ms()));
        worst.map_or_else(|| Figure::new(None, "no fault".to_owned()), Figure::unavailable)
    };
    rows.push(Row::of("worst_unavailable_at_least", "ms", layers.iter().map(worst).collect()));
    Group { name: "the load, without warm-up".to_owned(), fault: None, kind: None, rows }
}

/// The kinds of faults that struck several times in any of the runs.
fn kind_names(layers: &[Layer]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for kind in layers.iter().flat_map(|layer| &layer.assessment.kinds).filter(|kind| kind.faults > 1) {
        if !names.contains(&kind.kind.as_str()) {
            names.push(&kind.kind);
        }
    }
    names
}

/// All faults of a kind together.
fn kind(layers: &[Layer], name: &str) -> Group {
    type Values = fn(&KindFigures) -> &Distribution;
    const ROWS: [(&str, f64, Values); 9] = [
        ("elect_p50", 0.5, |kind| &kind.elect),
        ("elect_p99", 0.99, |kind| &kind.elect),
        ("elect_max", 1.0, |kind| &kind.elect),
        ("unavailable_at_least_p50", 0.5, |kind| &kind.unavailable),
        ("unavailable_at_least_p99", 0.99, |kind| &kind.unavailable),
        ("unavailable_at_least_max", 1.0, |kind| &kind.unavailable),
        ("recover_p50", 0.5, |kind| &kind.recover),
        ("recover_p99", 0.99, |kind| &kind.recover),
        ("recover_max", 1.0, |kind| &kind.recover),
    ];
    let found: Vec<Option<&KindFigures>> =
        layers.iter().map(|layer| layer.assessment.kinds.iter().find(|kind| kind.kind == name)).collect();
    let row = |figure, unit, of: &dyn Fn(&KindFigures) -> Figure| {
        let missing = || Figure::new(None, "–".to_owned());
        Row::of(figure, unit, found.iter().map(|kind| kind.map_or_else(missing, of)).collect())
    };
    let mut rows =
        vec![row("faults", "faults", &|kind| Figure::new(Some(kind.faults as f64), kind.faults.to_string()))];
    rows.extend(ROWS.into_iter().map(|(figure, q, values)| {
        row(figure, "ms", &|kind| {
            let values = values(kind);
            let value = values.quantile(q).filter(|value| value.is_finite());
            Figure::new(value, words::spread(values, q))
        })
    }));
    Group { name: format!("all faults: {name}"), fault: None, kind: Some(name.to_owned()), rows }
}

/// One strike: which entry of the scenario's fault list, and which of its strikes.
type Key = (usize, usize);

/// The strikes of a run, each with its key.
fn strikes(layer: &Layer) -> impl Iterator<Item = (Key, &Failover)> {
    let all = &layer.assessment.failovers;
    all.iter().enumerate().map(|(place, fault)| {
        let earlier = all[..place].iter().filter(|other| other.index == fault.index).count();
        ((fault.index, earlier), fault)
    })
}

/// Every strike that any of the runs saw, in order.
fn keys(layers: &[Layer]) -> Vec<Key> {
    let mut keys: Vec<Key> = layers.iter().flat_map(|layer| strikes(layer).map(|(key, _)| key)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn fault(layers: &[Layer], key: Key) -> Group {
    let found: Vec<Option<&Failover>> =
        layers.iter().map(|layer| strikes(layer).find(|(k, _)| *k == key).map(|(_, fault)| fault)).collect();
    let named = found.iter().flatten().next();
    let name = named.map_or_else(String::new, |fault| format!("{} of {}", fault.kind, fault.victim()));
    let row = |figure, unit, of: &dyn Fn(&Failover) -> Figure| {
        let missing = || Figure::new(None, "–".to_owned());
        Row::of(figure, unit, found.iter().map(|fault| fault.map_or_else(missing, of)).collect())
    };
    let rows = vec![
        row("struck", "s", &|fault| Figure {
            comparable: false,
            ..Figure::new(
                Some(fault.injected_s),
                format!("{} at {:.3} s", node_list(&fault.nodes), fault.injected_s),
            )
        }),
        row("elect", "ms", &|fault| Figure::new(fault.elect.ms(), words::elect(fault))),
        row("unavailable_at_least", "ms", &|fault| Figure::unavailable(&fault.unavailable)),
        row("healing_at_least", "ms", &|fault| {
            fault.healing.as_ref().map_or_else(|| Figure::new(None, "–".to_owned()), Figure::unavailable)
        }),
        row("recover", "ms", &|fault| Figure::new(fault.recover.ms(), words::recover(fault))),
        row("lost_work", "operations", &|fault| {
            Figure::new(Some(fault.lost_work as f64), thousands(fault.lost_work))
        }),
    ];
    Group { name: format!("fault {}: {name}", key.0), fault: Some(key.0), kind: None, rows }
}
