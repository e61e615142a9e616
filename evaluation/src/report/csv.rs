//! `failover.csv` and `timeseries.csv`. Cells of what was not, or not seen, are empty.

use loadgen::scenario::OperationKind;

use crate::{failover::Failover, series::Bucket};

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
        "unavailable_ms",
        "unavailable_open_ended",
        "unavailable_resolution_ms",
        "recover_ms",
        "lost_work",
    ]
    .map(str::to_owned)
    .into();
    header.extend(OperationKind::ALL.iter().map(|kind| format!("unavailable_{}_ms", kind.name())));
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
            number(Some(fault.unavailable.ms())),
            fault.unavailable.open_ended.to_string(),
            number(fault.unavailable.resolution_ms),
            number(fault.recover_ms),
            fault.lost_work.to_string(),
        ];
        row.extend(
            OperationKind::ALL
                .iter()
                .map(|kind| number(fault.unavailable_by_operation.get(kind).map(|u| u.ms()))),
        );
        rows.push(row);
    }
    text(rows)
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

/// No cell can contain a comma, a quote or a new line: names of kinds and nodes, and numbers.
fn text(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    rows.into_iter().map(|row| row.join(",") + "\n").collect()
}
