//! All load generators of a run: they get ready, begin at one instant, and end together.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::try_join_all, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};

use crate::{
    generator::{
        Behind, Counts, Hearing, Launched, Launcher, Order, Report, Speaking, TalkError, Task, clock,
    },
    record::Counted,
};

/// A generator reports several times a second; one that is silent for so long stands still.
const SILENCE: Duration = Duration::from_secs(20);
/// How long one that has hung up, or is done, may take to end.
const ENDING: Duration = Duration::from_secs(5);

/// A generator that does not do its part. Without it there is less load than the scenario says.
#[derive(Debug, thiserror::Error)]
pub enum GeneratorError {
    /// It cannot be started.
    #[error("load generator {generator} does not start: {source}")]
    Launch {
        /// Which.
        generator: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It says that it cannot go on.
    #[error("load generator {generator}: {reason}")]
    Failed {
        /// Which.
        generator: String,
        /// Why not.
        reason: String,
    },
    /// It ended before it was done.
    #[error("load generator {generator} ended before it was done: {how}")]
    Ended {
        /// Which.
        generator: String,
        /// How.
        how: String,
    },
    /// It does not report any more.
    #[error("load generator {generator} has said nothing for {waited:?}")]
    Silent {
        /// Which.
        generator: String,
        /// How long.
        waited: Duration,
    },
    /// It began late.
    #[error("load generator {generator} heard of the start {by_ms:.1} ms after it")]
    Late {
        /// Which.
        generator: String,
        /// By how much.
        by_ms: f64,
    },
    /// It cannot be understood.
    #[error("load generator {generator}: {source}")]
    Talk {
        /// Which.
        generator: String,
        /// Why not.
        source: TalkError,
    },
}

/// How the operations of all generators have ended so far. Clones show the same.
#[derive(Debug, Clone)]
pub struct Tally(Arc<[Mutex<Counts>]>);

impl Tally {
    /// All of them together.
    pub fn total(&self) -> Counts {
        self.0.iter().map(|counts| *counts.lock()).sum()
    }

    fn set(&self, place: usize, counts: Counts) {
        if let Some(slot) = self.0.get(place) {
            *slot.lock() = counts;
        }
    }
}

/// What came of the generators.
#[derive(Debug, Default)]
pub struct Finished {
    /// What went wrong.
    pub wrong: Vec<GeneratorError>,
    /// How much each says that it has recorded, in their order; nothing, of one that did not come so far.
    pub counted: Vec<Option<Counted>>,
}

/// The generators of a run. Dropping it ends them.
pub struct Team {
    generators: Vec<Generator>,
    tally: Tally,
}

struct Generator {
    orders: Speaking<Box<dyn AsyncWrite + Send + Unpin>>,
    ear: Ear,
}

/// Where a generator is heard.
struct Ear {
    name: String,
    reports: Hearing<Box<dyn AsyncRead + Send + Unpin>>,
    behind: Box<dyn Behind>,
    /// Where its counts stand in the tally.
    place: usize,
}

impl Team {
    /// Starts a generator for each task, to record in the folder that goes with it, and waits until all are
    /// ready.
    ///
    /// # Errors
    /// [`GeneratorError`]; the others are ended then.
    pub async fn assemble(
        launcher: &dyn Launcher,
        tasks: Vec<(Task, PathBuf)>,
    ) -> Result<Self, GeneratorError> {
        let tally = Tally(tasks.iter().map(|_| Mutex::default()).collect());
        let launching = tasks.into_iter().enumerate().map(|(place, (task, out))| {
            let tally = &tally;
            async move {
                let name = task.part.to_string();
                let launched = launcher.launch(task.part, &out).await;
                let Launched { orders, reports, behind } =
                    launched.map_err(|source| GeneratorError::Launch { generator: name.clone(), source })?;
                let ear = Ear { name, reports: Hearing::new(reports), behind, place };
                let mut generator = Generator { orders: Speaking::new(orders), ear };
                generator.tell(&Order::Prepare(task)).await?;
                generator.ear.listen(tally, |report| matches!(report, Report::Ready)).await?;
                Ok(generator)
            }
        });
        let generators = try_join_all(launching).await?;
        Ok(Self { generators, tally })
    }

    /// What they have done so far.
    pub fn tally(&self) -> Tally {
        self.tally.clone()
    }

    /// Tells all when the first stage begins.
    ///
    /// # Errors
    /// [`GeneratorError`] when one does not hear.
    pub async fn start(&mut self, at: Instant) -> Result<(), GeneratorError> {
        let order = Order::Start { at_ns: clock::machine_ns(at) };
        try_join_all(self.generators.iter_mut().map(|generator| generator.tell(&order))).await?;
        Ok(())
    }

    /// Waits until all are done. When `stop` says so, or one of them fails, the others begin nothing more.
    pub async fn finish(self, mut stop: watch::Receiver<bool>) -> Finished {
        let Self { generators, tally } = self;
        let (mut orders, mut listening) = (Vec::new(), FuturesUnordered::new());
        let mut finished = Finished { wrong: Vec::new(), counted: vec![None; generators.len()] };
        for generator in generators {
            let Generator { orders: speaking, ear } = generator;
            orders.push(speaking);
            listening.push(ear.until_done(&tally));
        }
        let mut stopping = false;
        loop {
            let stop_now = tokio::select! {
                ended = listening.next() => match ended {
                    Some((place, mut failures, counted)) => {
                        let failed = !failures.is_empty();
                        finished.wrong.append(&mut failures);
                        finished.counted[place] = counted;
                        failed
                    }
                    None => return finished,
                },
                Ok(_) = stop.wait_for(|stop| *stop), if !stopping => true,
            };
            if stop_now && !stopping {
                stopping = true;
                for speaking in &mut orders {
                    // One that does not hear has ended, and is missed where it is listened to.
                    let _ = speaking.say(&Order::Stop).await;
                }
            }
        }
    }
}

impl Generator {
    async fn tell(&mut self, order: &Order) -> Result<(), GeneratorError> {
        match self.orders.say(order).await {
            Ok(()) => Ok(()),
            // One that has hung up may have said why.
            Err(source) => Err(match self.ear.listen(&Tally(Arc::new([])), |_| false).await {
                Err(said @ (GeneratorError::Failed { .. } | GeneratorError::Ended { .. })) => said,
                _ => GeneratorError::Talk { generator: self.ear.name.clone(), source },
            }),
        }
    }
}

impl Ear {
    /// Listens until it is done or never will be. Gives its place, what went wrong, and how much it has recorded.
    async fn until_done(mut self, tally: &Tally) -> (usize, Vec<GeneratorError>, Option<Counted>) {
        let mut wrong = Vec::new();
        loop {
            match self.listen(tally, |report| matches!(report, Report::Done(_) | Report::Late { .. })).await {
                Ok(Report::Late { by_ms }) => {
                    wrong.push(GeneratorError::Late { generator: self.name.clone(), by_ms });
                }
                Ok(report) => {
                    // Dropping it ends one that does not end by itself.
                    self.how_it_ended().await;
                    let counted = if let Report::Done(counted) = report { Some(counted) } else { None };
                    return (self.place, wrong, counted);
                }
                Err(error) => {
                    wrong.push(error);
                    return (self.place, wrong, None);
                }
            }
        }
    }

    /// Waits for a report, and keeps the counts meanwhile.
    async fn listen(
        &mut self,
        tally: &Tally,
        awaited: impl Fn(&Report) -> bool,
    ) -> Result<Report, GeneratorError> {
        loop {
            let generator = || self.name.clone();
            match tokio::time::timeout(SILENCE, self.reports.next::<Report>()).await {
                Ok(Ok(Some(Report::Counts(counts)))) => tally.set(self.place, counts),
                Ok(Ok(Some(Report::Failed { reason }))) => {
                    return Err(GeneratorError::Failed { generator: generator(), reason });
                }
                Ok(Ok(Some(report))) if awaited(&report) => return Ok(report),
                Ok(Ok(Some(_))) => {}
                Ok(Ok(None)) => {
                    let how = self.how_it_ended().await;
                    return Err(GeneratorError::Ended { generator: self.name.clone(), how });
                }
                Ok(Err(source)) => return Err(GeneratorError::Talk { generator: generator(), source }),
                Err(_) => return Err(GeneratorError::Silent { generator: generator(), waited: SILENCE }),
            }
        }
    }

    async fn how_it_ended(&mut self) -> String {
        let ended = tokio::time::timeout(ENDING, self.behind.ended()).await;
        ended.unwrap_or_else(|_| "it has hung up".to_owned())
    }
}

#[cfg(test)]
mod tests;
