//! The table: figures of the whole load, and the four of every fault, a column a run.

use crate::{
    assessment::Tally,
    failover::{Failover, Unavailable, node_list},
    figure::thousands,
    overlay::Layer,
    report::words,
};

/// Rows that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What they are about.
    pub name: String,
    /// Which entry of the scenario's fault list; `None` for the whole load.
    pub fault: Option<usize>,
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
        let words = format!("{} {}", words::unavailable(stretch), words::resolution(stretch));
        Self { comparable: !stretch.open_ended, ..Self::new(Some(stretch.ms()), words) }
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
        let stretches = layer.assessment.failovers.iter().map(|fault| &fault.unavailable);
        let worst = stretches.max_by(|a, b| a.ms().total_cmp(&b.ms()));
        worst.map_or_else(|| Figure::new(None, "no fault".to_owned()), Figure::unavailable)
    };
    rows.push(Row::of("worst_unavailable", "ms", layers.iter().map(worst).collect()));
    Group { name: "the load, without warm-up".to_owned(), fault: None, rows }
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
        row("unavailable", "ms", &|fault| Figure::unavailable(&fault.unavailable)),
        row("recover", "ms", &|fault| Figure::new(fault.recover_ms, words::recover(fault))),
        row("lost_work", "operations", &|fault| {
            Figure::new(Some(fault.lost_work as f64), thousands(fault.lost_work))
        }),
    ];
    Group { name: format!("fault {}: {name}", key.0), fault: Some(key.0), rows }
}
