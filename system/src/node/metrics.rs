//! What a node counts and measures, and how Prometheus is told.

use std::{
    fmt::{self, Debug},
    sync::Arc,
    time::Instant,
};

use prometheus_client::{
    encoding::{
        EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet,
        text::{encode_eof, encode_registry},
    },
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
        histogram::Histogram,
        info::Info,
    },
    registry::{Registry, Unit},
};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

use super::label::{Kind, Outcome};
use crate::{
    alarm::{ActiveAlarm, Alarm},
    consensus::{StageHistogram, Stages},
    wire::{
        client::{Answer, Leadership, NodeStatus, Request},
        connections::Connections,
    },
};

/// The upper ends of the histograms' buckets, seconds.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// The same for the stages of writes.
const STAGE_BUCKETS: [f64; 14] =
    [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 1.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    kind: &'static str,
    outcome: &'static str,
}

/// What a node has counted and measured since it was started.
pub(super) struct Metrics {
    registry: Registry,
    /// By [`Kind`].
    requests: Vec<Requests>,
    leaders: Counter,
    /// How long the sealing threads took for an image.
    pub(super) sealing: Histogram,
}

/// The requests of one kind. Everything is looked up beforehand: requests are counted where it is cheap.
struct Requests {
    /// By [`Outcome`].
    answered: Vec<Counter>,
    durations: Histogram,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("veil");
        let histogram = || Histogram::new(BUCKETS);
        let answered = Family::<OfOutcome, Counter>::default();
        let durations = Family::<OfKind, Histogram, fn() -> Histogram>::new_with_constructor(histogram);
        let (leaders, sealing) = (Counter::default(), histogram());
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", version);
        registry.register("requests", "Requests of clients that were answered", answered.clone());
        registry.register_with_unit(
            "request_duration",
            "From a client's request to its answer",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register_with_unit(
            "seal_duration",
            "What a sealing thread took for an image, without the wait for it",
            Unit::Seconds,
            sealing.clone(),
        );
        registry.register(
            "leader_changes",
            "How often this node came to know a leader of a new term",
            leaders.clone(),
        );
        let requests = Kind::ALL.iter().map(|kind| {
            let kind = kind.name();
            let of = |outcome: &Outcome| OfOutcome { kind, outcome: outcome.name() };
            let answered = Outcome::ALL.iter().map(|outcome| answered.get_or_create_owned(&of(outcome)));
            Requests {
                answered: answered.collect(),
                durations: durations.get_or_create_owned(&OfKind { kind }),
            }
        });
        Self { requests: requests.collect(), registry, leaders, sealing }
    }

    /// Begins to measure a request.
    pub(super) fn begin(&self, request: &Request) -> Measured<'_> {
        Measured { requests: &self.requests[Kind::of(request) as usize], began: Instant::now() }
    }

    /// All metrics in the format of Prometheus: those that were counted, and those that `status` and `stages` tell.
    ///
    /// # Errors
    /// When they cannot be put into text.
    pub(super) fn text(
        &self,
        status: &NodeStatus,
        stages: &Stages,
        clients: &Connections,
    ) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        let mut of_stages = Registry::with_prefix("veil");
        of_stages.register_with_unit(
            "write_stage_duration",
            "What a stage of a write took on the node that led",
            Unit::Seconds,
            StageDurations(stages.histograms(&STAGE_BUCKETS)),
        );
        encode_registry(&mut text, &of_stages)?;
        encode_registry(&mut text, &state(status, clients))?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

/// The stages of writes, as they are at this moment.
#[derive(Debug)]
struct StageDurations(Vec<StageHistogram>);

impl EncodeMetric for StageDurations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for StageHistogram { stage, count, sum, buckets } in &self.0 {
            let labels = [("stage", stage.name())];
            let mut stage = encoder.encode_family(&labels)?;
            stage.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// Every alarm there is, and whether it is active.
#[derive(Debug)]
struct AlarmGauges(Vec<ActiveAlarm>);

impl EncodeMetric for AlarmGauges {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for alarm in Alarm::ALL {
            let active = self.0.iter().any(|active| active.alarm == alarm);
            let labels = [("kind", alarm.name())];
            encoder.encode_family(&labels)?.encode_gauge(&i64::from(active))?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

/// A request that is being answered.
pub(super) struct Measured<'a> {
    requests: &'a Requests,
    began: Instant,
}

impl Measured<'_> {
    /// Counts the request as answered.
    pub(super) fn end(self, answer: &Answer) {
        self.requests.durations.observe(self.began.elapsed().as_secs_f64());
        self.requests.answered[Outcome::of(answer) as usize].inc();
    }
}

/// Counts leaders for ever.
pub(super) async fn count_leaders(mut leadership: watch::Receiver<Leadership>, metrics: Arc<Metrics>) {
    let mut last_term = 0;
    loop {
        let Leadership { term, leader } = leadership.borrow_and_update().clone();
        if leader.is_some() && term > last_term {
            last_term = term;
            metrics.leaders.inc();
        }
        if leadership.changed().await.is_err() {
            return;
        }
    }
}

/// How the node is at this moment.
fn state(status: &NodeStatus, clients: &Connections) -> Registry {
    let leader = status.leadership.leader.as_ref().map(|leader| leader.id);
    let health = &status.health;
    let gauges = [
        ("is_leader", "1 if this node leads, else 0", u64::from(leader == Some(status.node)) as f64),
        (
            "leader_id",
            "The node that leads, as far as this one knows; 0 without one",
            leader.unwrap_or(0) as f64,
        ),
        ("term", "The term of Raft", status.leadership.term as f64),
        ("log_first_index", "The first entry that is still in the log", status.first_log as f64),
        ("log_last_index", "The last entry of the log", status.last_log as f64),
        ("log_applied_index", "The last entry that the directory reflects", status.applied as f64),
        ("log_snapshot_index", "The last entry that a snapshot covers", status.snapshot as f64),
        ("members", "Members of the cluster", status.members.len() as f64),
        ("users", "Users in the directory", status.users as f64),
        ("images", "Images in the directory", status.images as f64),
        ("seals_active", "Images that are being sealed", f64::from(health.active)),
        ("seals_queued", "Images that wait for a sealing thread", f64::from(health.queued)),
        ("seal_threads", "Sealing threads", f64::from(health.workers)),
        ("health_score", "How busy the node is; lower is healthier", f64::from(health.score())),
        (
            "client_connections",
            "Open connections of clients and of other nodes that ask as clients do",
            clients.open() as f64,
        ),
    ];
    let mut registry = Registry::with_prefix("veil");
    for (name, help, value) in gauges {
        registry.register(name, help, ConstGauge::new(value));
    }
    let on_their_way = ConstGauge::new(clients.memory() as f64);
    let help = "Memory of requests and answers of clients that are on their way";
    registry.register_with_unit("client_memory", help, Unit::Bytes, on_their_way);
    if let Some(off_ms) = status.clock_off_ms {
        let off = ConstGauge::new(off_ms as f64 / 1_000.0);
        let help = "How far the node's clock is ahead of the median of the voters' clocks";
        registry.register_with_unit("clock_offset", help, Unit::Seconds, off);
    }
    registry.register("alarm", "1 while something of the kind is wrong", AlarmGauges(status.alarms.clone()));
    let memory = ConstGauge::new(health.memory_bytes as f64);
    registry.register_with_unit("resident_memory", "Memory of the process", Unit::Bytes, memory);
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = ConstCounter::new(used.tv_sec as f64 + used.tv_nsec as f64 / 1e9);
    registry.register_with_unit("cpu", "Processor time of the process", Unit::Seconds, cpu);
    registry
}
