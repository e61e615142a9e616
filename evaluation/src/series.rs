//! What happened in each tenth of a second.

use loadgen::scenario::OutcomeKind;

use crate::{run::Operation, statistics::Latencies};

/// How long one bucket lasts, s. Wider ones hide outages: in 10 s a gap of 2 s cannot be seen.
pub const BUCKET_S: f64 = 0.1;

/// One tenth of a second.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bucket {
    /// When it begins, s.
    pub from_s: f64,
    /// Operations that were due in it.
    pub offered: u64,
    /// Operations that were answered in it.
    pub ok: u64,
    /// Operations whose failure was seen in it.
    pub failed: u64,
    /// Operations that were given up in it; without a recorded end, that were due in it.
    pub unknown: u64,
    /// Operations that were due in it and not sent.
    pub shed: u64,
    /// Latencies of the operations *due* in it that were answered, whenever that was: what a user
    /// who asked at this moment waited.
    pub latencies: Latencies,
}

impl Bucket {
    /// A number of operations in this bucket, as a rate a second.
    pub fn rate(count: u64) -> f64 {
        count as f64 / BUCKET_S
    }
}

/// Puts operations into buckets from 0 s until `end_s` and the last completion.
pub fn buckets<'a>(operations: impl Iterator<Item = &'a Operation> + Clone, end_s: f64) -> Vec<Bucket> {
    let last_s = operations.clone().filter_map(Operation::done_s).fold(end_s, f64::max);
    let count = (last_s / BUCKET_S - 1e-9).ceil().max(1.0) as usize;
    let mut buckets: Vec<Bucket> =
        (0..count).map(|i| Bucket { from_s: i as f64 * BUCKET_S, ..Bucket::default() }).collect();
    let mut latencies = vec![Vec::new(); count];
    let place = |at_ns: i64| {
        let index = at_ns / (BUCKET_S * 1e9) as i64;
        usize::try_from(index).unwrap_or(0).min(count - 1)
    };
    for operation in operations {
        let due = place(operation.due_ns);
        let done = operation.done_ns.map_or(due, place);
        buckets[due].offered += 1;
        match operation.outcome {
            OutcomeKind::Ok => buckets[done].ok += 1,
            OutcomeKind::Failed => buckets[done].failed += 1,
            OutcomeKind::Unknown => buckets[done].unknown += 1,
            OutcomeKind::Shed => buckets[due].shed += 1,
        }
        if let Some(latency) = operation.latency_ns() {
            latencies[due].push(latency);
        }
    }
    for (bucket, latencies) in buckets.iter_mut().zip(latencies) {
        bucket.latencies = latencies.into_iter().collect();
    }
    buckets
}

#[cfg(test)]
mod tests {
    use loadgen::scenario::OperationKind;

    use super::*;

    #[test]
    fn completions_count_when_they_come_and_latency_where_it_was_due() {
        let operation = |due_ms: i64, done_ms: Option<i64>, outcome| Operation {
            op: 0,
            kind: OperationKind::View,
            due_ns: due_ms * 1_000_000,
            sent_ns: None,
            done_ns: done_ms.map(|ms| ms * 1_000_000),
            outcome,
        };
        let operations = [
            operation(0, Some(250), OutcomeKind::Ok),
            operation(110, Some(120), OutcomeKind::Failed),
            operation(199, None, OutcomeKind::Unknown),
            operation(200, None, OutcomeKind::Shed),
        ];
        let buckets = buckets(operations.iter(), 0.4);
        assert_eq!(buckets.len(), 4);
        let counts: Vec<_> = buckets.iter().map(|b| (b.offered, b.ok, b.failed, b.unknown, b.shed)).collect();
        assert_eq!(counts, [(1, 0, 0, 0, 0), (2, 0, 1, 1, 0), (1, 1, 0, 0, 1), (0, 0, 0, 0, 0)]);
        assert_eq!(buckets[0].latencies.quantile_ms(1.0), Some(250.0));
        assert_eq!(buckets[2].latencies.count(), 0);
    }
}
