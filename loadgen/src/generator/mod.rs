//! One load generator: registers its users, begins every operation when it is due, and records what came of it.
//!
//! A run has one or several. Each is told its [`Task`] and reports over a pair of byte streams, whatever
//! these are: a process's standard input and output, a container's, or a pipe within this process. What it
//! records lies in a folder of its own, in the files of a run directory.

mod alarm;
pub mod child;
pub mod clock;
mod fire;
mod launch;
mod message;
mod recorder;
mod setup;
mod work;

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::MissedTickBehavior,
};
use veil::{client::ClientError, wire::tls::TlsError};

pub use fire::fire;
pub use launch::{Behind, InProcess, Launched, Launcher, Processes};
pub use message::{Counts, Hearing, Order, Report, Speaking, TalkError, Task};
pub use setup::{SetUpError, wait_for_leader};

use self::{clock::ForeignClock, recorder::Counters};
use crate::{
    photos::PhotoError,
    record::{Counted, RecordError},
    scenario::ScenarioError,
};

/// How often counts are told.
pub const REPORT_PERIOD: Duration = Duration::from_millis(200);
/// Connections of a generator's users to each node.
pub const CONNECTIONS: usize = 2;

/// Why a generator cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// Nobody is there any more to generate load for.
    #[error("the run is gone")]
    Orphaned,
    /// The run cannot be understood.
    #[error("the run cannot be understood: {0}")]
    Talk(#[from] TalkError),
    /// The run begins with something else than a task.
    #[error("the run said {0:?} before there was a task")]
    NoTask(Box<Order>),
    /// The scenario makes no sense.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The photos cannot be read.
    #[error(transparent)]
    Photos(#[from] PhotoError),
    /// The nodes cannot be spoken to.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No address to connect to.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is nothing to begin with.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The start cannot be found on the clock.
    #[error(transparent)]
    Clock(#[from] ForeignClock),
    /// There is no timer to wait by.
    #[error("no timer: {0}")]
    Timer(std::io::Error),
    /// What happens cannot be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What a generator runs on. It has one thread: its operations are too short to be handed to another processor. For
/// several processors there are several generators.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Does what it is told over `orders`, reports, and records in the folder `out`, which is there. Ends when all
/// is done, or when nobody listens any more. Gives how much it has recorded.
///
/// # Errors
/// [`GenerateError`]; what can be told of it was reported.
pub async fn serve(
    out: PathBuf,
    orders: impl AsyncRead + Send + Unpin + 'static,
    reports: impl AsyncWrite + Send + Unpin + 'static,
) -> Result<Counted, GenerateError> {
    let mut orders = Hearing::new(orders);
    let (told, outgoing) = mpsc::unbounded_channel();
    let counters = Arc::new(Counters::default());
    // Neither a run that does not read nor one that talks much is to hold up an operation.
    let mut tasks = JoinSet::new();
    tasks.spawn(report(Speaking::new(reports), outgoing, counters.clone()));
    let served = async {
        let task = match orders.next().await? {
            Some(Order::Prepare(task)) => task,
            Some(other) => return Err(GenerateError::NoTask(Box::new(other))),
            None => return Err(GenerateError::Orphaned),
        };
        let (start_sender, start) = oneshot::channel();
        let (stop_sender, stop) = watch::channel(false);
        let mut hearing = JoinSet::new();
        hearing.spawn(hear(orders, start_sender, stop_sender));
        let signals = work::Signals { start, stop, told: told.clone() };
        tokio::select! {
            done = work::carry_out(task, out, counters, signals) => done,
            gone = hearing.join_next() => match gone {
                Some(Ok(error)) => Err(error),
                Some(Err(failed)) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
                Some(Err(_)) | None => Err(GenerateError::Orphaned),
            },
        }
    };
    let result = served.await;
    // Nobody is left to be told when the run is gone: then nothing is read any more either.
    let _ = told.send(match &result {
        Ok(counted) => Report::Done(counted.clone()),
        Err(error) => Report::Failed { reason: error.to_string() },
    });
    drop(told);
    while tasks.join_next().await.is_some() {}
    result
}

/// Passes on what the run says, until it says no more.
async fn hear(
    mut orders: Hearing<impl AsyncRead + Unpin>,
    start: oneshot::Sender<u64>,
    stop: watch::Sender<bool>,
) -> GenerateError {
    let mut start = Some(start);
    loop {
        match orders.next().await {
            // Whoever waited for these may have ended.
            Ok(Some(Order::Start { at_ns })) => drop(start.take().map(|start| start.send(at_ns))),
            Ok(Some(Order::Stop)) => drop(stop.send(true)),
            Ok(Some(again @ Order::Prepare(_))) => return GenerateError::NoTask(Box::new(again)),
            Ok(None) => return GenerateError::Orphaned,
            Err(error) => return error.into(),
        }
    }
}

/// Tells the run what there is to tell, and the counts again and again, until nobody has more to say.
async fn report(
    mut speaking: Speaking<impl AsyncWrite + Unpin>,
    mut outgoing: mpsc::UnboundedReceiver<Report>,
    counters: Arc<Counters>,
) {
    let mut ticks = tokio::time::interval(REPORT_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let report = tokio::select! {
            report = outgoing.recv() => match report {
                Some(report) => report,
                None => return,
            },
            _ = ticks.tick() => Report::Counts(counters.now()),
        };
        // A run that does not hear is gone; that shows in what it says.
        if speaking.say(&report).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;

    use super::*;
    use crate::workload::Part;

    /// A generator at work, what it hears and what it says.
    fn begin()
    -> (impl Future<Output = Result<Counted, GenerateError>>, Speaking<DuplexStream>, Hearing<DuplexStream>)
    {
        let ((orders, heard), (said, reports)) = (tokio::io::duplex(1 << 16), tokio::io::duplex(1 << 16));
        (serve(PathBuf::from("nowhere"), heard, said), Speaking::new(orders), Hearing::new(reports))
    }

    /// What it says, but for counts.
    async fn said(mut reports: Hearing<DuplexStream>) -> Vec<Report> {
        let mut said = Vec::new();
        while let Some(report) = reports.next().await.unwrap() {
            if !matches!(report, Report::Counts(_)) {
                said.push(report);
            }
        }
        said
    }

    fn task(scenario: &str) -> Task {
        let nodes = vec!["127.0.0.1:1".to_owned()];
        Task {
            part: Part::WHOLE,
            scenario: scenario.to_owned(),
            nodes,
            routes: Default::default(),
            security: crate::cluster::Security::Plain,
            names: Default::default(),
            registrar: None,
        }
    }

    #[tokio::test]
    async fn a_generator_ends_when_the_run_is_gone() {
        let (serving, mut orders, mut reports) = begin();
        let scenario = "version = 1\nload.stages = [{ for = \"1s\", rate = 1 }]";
        let leaving = async {
            orders.say(&Order::Prepare(task(scenario))).await.unwrap();
            // It works: nobody serves there, so it waits for a leader.
            for _ in 0..3 {
                assert!(matches!(reports.next().await.unwrap(), Some(Report::Counts(_))));
            }
            drop(orders);
        };
        let (served, ()) = tokio::join!(serving, leaving);
        assert!(matches!(served, Err(GenerateError::Orphaned)), "{served:?}");
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_told() {
        for (order, wrong) in [
            (Order::Prepare(task("version = 2")), "scenario:1: version: 2 is not possible; expected 1"),
            (Order::Stop, "the run said Stop before there was a task"),
        ] {
            let (serving, mut orders, reports) = begin();
            orders.say(&order).await.unwrap();
            let (served, said) = tokio::join!(serving, said(reports));
            assert_eq!(said, [Report::Failed { reason: wrong.to_owned() }]);
            assert_eq!(served.unwrap_err().to_string(), wrong);
        }
    }
}
