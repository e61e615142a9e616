//! A generator's work, from its task to its history.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use veil::client::Client;

use super::{
    CONNECTIONS, GenerateError, Report, Task,
    alarm::Alarm,
    clock::instant_of,
    fire::fire,
    recorder::{Counters, Recorder, Writing},
    setup::{self, SetUp},
};
use crate::{
    photos::Photos,
    record::Counted,
    scenario::{Images, Load, Scenario},
    workload::{Operations, Part, Plan, Planned, Prepared, World},
};

/// How long after the last stage an operation may still be answered, however long its timeout: so long a run goes on at
/// most.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

/// What a generator hears while it works, and where it tells.
pub(super) struct Signals {
    /// When the first stage begins, on the machine's clock.
    pub start: oneshot::Receiver<u64>,
    /// Whether to begin no further operation.
    pub stop: watch::Receiver<bool>,
    /// Where it tells.
    pub told: mpsc::UnboundedSender<Report>,
}

/// Gets ready, waits for the start, and begins every operation of its part when it is due. Gives how much it has recorded.
pub(super) async fn carry_out(
    task: Task,
    out: PathBuf,
    counters: Arc<Counters>,
    signals: Signals,
) -> Result<Counted, GenerateError> {
    let Signals { start, stop, told } = signals;
    let Task { part, scenario, nodes, routes, security, names, registrar } = task;
    let routes: HashMap<String, String> = routes.into_iter().collect();
    let scenario = Scenario::parse(&scenario, "scenario")?;
    let (load, plan, photos) = draw(scenario, part).await?;
    let registrar = registrar.map(|operator| -> Result<Client, GenerateError> {
        let network = security.network_of(&operator, routes.clone())?;
        Ok(Client::new(network, nodes.clone(), CONNECTIONS)?)
    });
    let registrar = registrar.transpose()?;
    let client = Client::new(security.network(routes)?, nodes, CONNECTIONS)?;
    setup::wait_for_leader(&client).await?;
    let world = Arc::new(World::new(load.clients, part, names, photos).registered_by(registrar));
    let before = setup::set_up(&client, &world, plan.set_up, part).await?;

    // Nobody may be left to hear it; that is noticed where orders come in.
    let tell = |report| drop(told.send(report));
    tell(Report::Ready);
    let at_ns = start.await.map_err(|_| GenerateError::Orphaned)?;
    let (start, late) = instant_of(at_ns)?;
    if let Some(late) = late {
        tell(Report::Late { by_ms: late.as_secs_f64() * 1e3 });
    }
    let start = Instant::from_std(start);
    let (recorder, writing) = record(&out, before, start, counters)?;
    let alarm = Alarm::new().map_err(GenerateError::Timer)?;
    let generator = Generator { load, part, client, world, recorder, start };
    generator.begin_all(plan.load, stop, &alarm).await;
    Ok(writing.finish().await?)
}

/// Draws what can be drawn before the run, which keeps a processor busy for a moment.
async fn draw(scenario: Scenario, part: Part) -> Result<(Load, Plan, Photos), GenerateError> {
    let drawing = tokio::task::spawn_blocking(move || {
        let photos = match &scenario.load.images {
            Images::Photos => Photos::built_in(scenario.seed),
            Images::Folder(path) => Photos::from_folder(path)?,
        };
        let plan = Plan::draw(&scenario.load, scenario.seed, part);
        Ok((scenario.load, plan, photos))
    });
    drawing.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Nanoseconds from `start` to `at`, negative before it.
fn since(start: Instant, at: Instant) -> i64 {
    match at.checked_duration_since(start) {
        Some(after) => after.as_nanos() as i64,
        None => -((start - at).as_nanos() as i64),
    }
}

fn record(
    out: &Path,
    before: Vec<SetUp>,
    start: Instant,
    counters: Arc<Counters>,
) -> Result<(Recorder, Writing), GenerateError> {
    let (now, wall) = (Instant::now(), SystemTime::now());
    // At a start that is a moment away either way.
    let started = wall + start.saturating_duration_since(now) - now.saturating_duration_since(start);
    let before = move || setup::records(before, |at| since(start, at));
    Ok(Recorder::create(out, started, before, counters)?)
}

/// All that an operation needs.
struct Generator {
    load: Load,
    part: Part,
    client: Client,
    world: Arc<World>,
    recorder: Recorder,
    start: Instant,
}

impl Generator {
    /// Begins each operation when it is due, and waits until all have ended and the last stage is over.
    async fn begin_all(self, operations: Operations, mut stop: watch::Receiver<bool>, alarm: &Alarm) {
        let Self { load, part, client, world, recorder, start } = self;
        let (timeout, end) = (load.timeout, start + load.length());
        let begin = |planned: Planned| {
            let (client, world, recorder) = (client.clone(), world.clone(), recorder.clone());
            async move {
                let operation = Prepared::choose(planned, &world);
                let due_ns = planned.due_ns as i64;
                recorder.invoke(planned.op, due_ns, since(start, Instant::now()), operation.call());
                let deadline =
                    (start + Duration::from_nanos(planned.due_ns) + timeout).min(end + LAST_ANSWERS);
                let done = operation.perform(&client, &world, deadline).await;
                recorder.complete(planned.op, planned.kind, due_ns, since(start, done.at), done.outcome);
            }
        };
        let shed = |planned: Planned| recorder.shed(planned.op, planned.due_ns as i64, planned.kind);
        let operations = operations.map(|planned| (planned.due_ns, planned));
        let limit = part.share(load.max_in_flight) as usize;
        fire(operations, start, limit, stop.clone(), |at| alarm.until(at), begin, shed).await;
        // In the end nobody may ask, and there may yet be somebody to strike.
        tokio::select! {
            () = tokio::time::sleep_until(end) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}
