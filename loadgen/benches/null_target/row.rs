//! One row: the real generator, alone on its processor, at one rate.

use std::{path::Path, time::Duration};

use anyhow::{Context, ensure};
use loadgen::{
    cluster::Security,
    generator::{InProcess, Task},
    record::{HistoryReader, Outcome, Record, file},
    run::Team,
    workload::Part,
};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::Instant};

use super::target::Target;

/// Rate before anything is measured, as long as this: what is grown once has grown then.
const WARM_UP: Duration = Duration::from_secs(1);
/// The pause in which the generator hears of the start, as in a run.
const BREATH: Duration = Duration::from_millis(500);

/// What is measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Load {
    pub target: Target,
    /// Operations a second.
    pub rate: f64,
    /// Simulated users.
    pub users: u32,
    /// For how long.
    pub time: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub tls: bool,
    pub users: u32,
    pub rate: f64,
    /// Operations that were due, a second.
    pub offered: f64,
    /// Operations that were answered, a second.
    pub done: f64,
    /// Operations that were due and not sent, because too many were outstanding.
    pub shed: u64,
    /// Operations without an answer, or with the wrong one.
    pub failed: u64,
    /// What the generator's process took of its processor, microseconds an operation.
    pub cpu_us: f64,
    /// From when an operation was due until it was sent, microseconds.
    pub send_error_us: Spread,
    /// From when an operation was due until its answer was there, microseconds.
    pub answered_us: Spread,
    /// Resident memory of the generator's process, MB.
    pub resident_mb: f64,
}

/// How something is spread over the operations: exact, not from a histogram.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spread {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl Spread {
    fn of(mut ns: Vec<i64>) -> Self {
        ns.sort_unstable();
        let at = |share: f64| match ns.len() {
            0 => f64::NAN,
            count => ns[((count - 1) as f64 * share) as usize] as f64 / 1e3,
        };
        Self { p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

impl Row {
    /// Whether the generator kept up: all was sent, and in time.
    pub fn is_sustained(&self) -> bool {
        self.shed == 0
            && self.failed == 0
            && self.done >= 0.99 * self.offered
            && self.send_error_us.p99 < 1_000.0
    }
}

/// Generates the load from within this process.
pub async fn measure(load: Load) -> anyhow::Result<Row> {
    let Load { target: Target { address, security }, rate, users, time } = load;
    let folder = tempfile::tempdir()?;
    let tls = security != Security::Plain;
    let task = Task {
        part: Part::WHOLE,
        scenario: scenario(rate, users, time),
        nodes: vec![address],
        routes: Default::default(),
        security,
        names: Default::default(),
        registrar: None,
    };
    let mut team = Team::assemble(&InProcess, vec![(task, folder.path().to_owned())]).await?;
    let start = Instant::now() + BREATH;
    team.start(start.into_std()).await?;
    let (_keep, stop) = watch::channel(false);
    let watching = async {
        tokio::time::sleep_until(start + WARM_UP).await;
        let before = processor_time();
        tokio::time::sleep_until(start + WARM_UP + time).await;
        Ok::<_, anyhow::Error>((processor_time() - before, resident_mb()?))
    };
    let (finished, watched) = tokio::join!(team.finish(stop), watching);
    let wrong = finished.wrong;
    ensure!(wrong.is_empty(), "{}", wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
    let (cpu, resident_mb) = watched?;
    let found = read(&folder.path().join(file::HISTORY), time)?;
    let seconds = time.as_secs_f64();
    Ok(Row {
        tls,
        users,
        rate,
        offered: (found.send_errors.len() as u64 + found.shed) as f64 / seconds,
        done: found.done as f64 / seconds,
        shed: found.shed,
        failed: found.failed,
        cpu_us: cpu.as_secs_f64() * 1e6 / found.done as f64,
        send_error_us: Spread::of(found.send_errors),
        answered_us: Spread::of(found.latencies),
        resident_mb,
    })
}

fn scenario(rate: f64, users: u32, time: Duration) -> String {
    let (warm_up, time) = (humantime::format_duration(WARM_UP), humantime::format_duration(time));
    format!(
        "version = 1\n\
         [load]\n\
         clients = {users}\n\
         stages = [{{ for = \"{warm_up}\", rate = {rate}, warmup = true }}, {{ for = \"{time}\", rate = {rate} }}]\n\
         mix = {{ view = 60, discover = 30, grant = 10 }}\n"
    )
}

/// What all threads of this process have had of a processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn resident_mb() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kb: f64 = line.trim_end_matches("kB").trim().parse()?;
    Ok(kb / 1e3)
}

/// What the history says of the operations that were due while it was measured.
#[derive(Default)]
struct Found {
    send_errors: Vec<i64>,
    latencies: Vec<i64>,
    done: u64,
    shed: u64,
    failed: u64,
}

fn read(history: &Path, time: Duration) -> anyhow::Result<Found> {
    let begin = WARM_UP.as_nanos() as i64;
    let measured = begin..begin + time.as_nanos() as i64;
    let mut found = Found::default();
    let mut due = std::collections::HashMap::new();
    for record in HistoryReader::open(history)? {
        match record? {
            Record::Invoke { op, due_ns, at_ns, .. } if measured.contains(&due_ns) => {
                found.send_errors.push(at_ns - due_ns);
                due.insert(op, due_ns);
            }
            Record::Complete { op, at_ns, outcome } => {
                let Some(due_ns) = due.remove(&op) else { continue };
                match outcome {
                    Outcome::Ok(_) => {
                        found.done += 1;
                        found.latencies.push(at_ns - due_ns);
                    }
                    Outcome::Failed(_) | Outcome::Unknown(_) => found.failed += 1,
                }
            }
            Record::Shed { due_ns, .. } if measured.contains(&due_ns) => found.shed += 1,
            Record::Invoke { .. } | Record::Shed { .. } => {}
        }
    }
    ensure!(due.is_empty(), "{} operations have no end in the history", due.len());
    Ok(found)
}
