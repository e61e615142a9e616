//! `failover.csv` and `timeseries.csv`. Cells of what was not, or not seen, are empty.

use loadgen::scenario::OperationKind;

use crate::{
    failover::{Failover, Recover, Unavailable},
    foreign_text::cell,
    series::Bucket,
};

/// The columns of an outage, behind its name.
const OUTAGE: [&str; 12] = [
    "at_least_ms",
    "at_most_ms",
    "not_ended",
    "last_answer_s",
    "from_s",
    "to_s",
    "next_answer_s",
    "noise_at_least_ms",
    "noise_at_most_ms",
    "noise_worst_at_least_ms",
    "noise_worst_at_most_ms",
    "distinguishable",
];

/// One row a fault.
pub fn failover(failovers: &[Failover]) -> String {
    let mut header: Vec<String> = [
        "fault",
        "kind",
        "target",
        "nodes",
        "asked_at_s",
        "injected_at_s",
        "healed_at_s",
        "settled_at_s",
        "elect_ms",
        "recover_ms",
        "lost_work",
        "recover_undecided",
        "longest_gap_ms",
        "longest_gap_open_ended",
        "mean_gap_ms",
    ]
    .map(str::to_owned)
    .into();
    for name in ["unavailable", "healing"] {
        header.extend(OUTAGE.map(|column| format!("{name}_{column}")));
    }
    for side in ["at_least", "at_most"] {
        header.extend(OperationKind::ALL.iter().map(|kind| format!("unavailable_{}_{side}_ms", kind.name())));
    }
    let mut rows = vec![header];
    for fault in failovers {
        let nodes: Vec<String> = fault.nodes.iter().map(|n| format!("n{n}")).collect();
        let mut row = vec![
            fault.index.to_string(),
            fault.kind.clone(),
            fault.target.clone(),
            nodes.join(" "),
            number(Some(fault.asked_s)),
            number(Some(fault.injected_s)),
            number(fault.healed_s),
            number(fault.settled_s),
            number(fault.elect.ms()),
            number(fault.recover.ms()),
            fault.lost_work.to_string(),
            matches!(fault.recover, Recover::Undecided { .. }).to_string(),
            number(Some(fault.longest_gap.ms())),
            fault.longest_gap.open_ended.to_string(),
            number(fault.mean_gap_ms),
        ];
        row.extend(outage(Some(&fault.unavailable)));
        row.extend(outage(fault.healing.as_ref()));
        let of_each = |of: fn(&Unavailable) -> Option<f64>| {
            OperationKind::ALL.map(|kind| number(fault.unavailable_by_operation.get(&kind).and_then(of)))
        };
        row.extend(of_each(|u| Some(u.at_least_ms())));
        row.extend(of_each(Unavailable::at_most_ms));
        rows.push(row);
    }
    text(rows)
}

/// The cells of an outage; empty, where there was no time for one.
fn outage(outage: Option<&Unavailable>) -> [String; OUTAGE.len()] {
    let Some(u) = outage else { return OUTAGE.map(|_| String::new()) };
    let noise = u.noise.as_ref();
    [
        number(Some(u.at_least_ms())),
        number(u.at_most_ms()),
        u.stretch.open_ended.to_string(),
        time(u.stretch.last_answer_s),
        time(u.stretch.from_s),
        time(u.stretch.to_s),
        time(u.stretch.next_answer_s),
        number(noise.map(|noise| noise.latest.at_least_ms())),
        number(noise.and_then(|noise| noise.latest.at_most_ms())),
        number(noise.map(|noise| noise.worst.at_least_ms())),
        number(noise.and_then(|noise| noise.worst.at_most_ms())),
        u.is_distinguishable().map_or_else(String::new, |told| told.to_string()),
    ]
}

/// To the microsecond: outages are told to it.
fn time(at_s: f64) -> String {
    format!("{at_s:.6}")
}

/// One row a tenth of a second. Counts, not rates; latency of what was due in it.
pub fn timeseries(series: &[Bucket]) -> String {
    let header = ["from_s", "offered", "ok", "failed", "unknown", "shed", "p50_ms", "p99_ms", "max_ms"];
    let rows = series.iter().map(|bucket| {
        let quantile = |q| number(bucket.latencies.quantile_ms(q));
        vec![
            format!("{:.1}", bucket.from_s),
            bucket.offered.to_string(),
            bucket.ok.to_string(),
            bucket.failed.to_string(),
            bucket.unknown.to_string(),
            bucket.shed.to_string(),
            quantile(0.5),
            quantile(0.99),
            quantile(1.0),
        ]
    });
    text(std::iter::once(header.map(str::to_owned).into()).chain(rows))
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |v| format!("{v:.3}"))
}

/// The name of a kind may be any text.
fn text(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        // Writing to memory cannot fail, and every row is as long as the header.
        let _ = writer.write_record(row.iter().map(|text| cell(text)));
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}
