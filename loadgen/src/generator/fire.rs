//! The open loop: an operation is sent when it is due, however many are outstanding.

use std::{future::Future, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::Instant,
};

/// How long those that are under way may take when no more are to begin.
const PATIENCE: Duration = Duration::from_secs(5);

/// Begins each operation so many nanoseconds after `start`, one task each, and returns when all have ended. They come in
/// the order in which they are due. Where `limit` operations are outstanding, `shed` is told instead. Stops early when
/// `stop` says so; what has not ended [a while](PATIENCE) later is called off. `until` waits for a moment, or a little
/// less long, and lets others go on even if that is over.
///
/// Nothing here waits for an answer, so a slow target changes neither when operations are sent nor
/// how many: their latency, counted from the due time, shows every stall to its full length.
pub async fn fire<T, F>(
    operations: impl IntoIterator<Item = (u64, T)>,
    start: Instant,
    limit: usize,
    mut stop: watch::Receiver<bool>,
    until: impl AsyncFn(Instant),
    mut begin: impl FnMut(T) -> F,
    mut shed: impl FnMut(T),
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut operations = operations.into_iter().peekable();
    while let Some((next_ns, _)) = operations.peek() {
        tokio::select! {
            () = until(start + Duration::from_nanos(*next_ns)) => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
        while let Some(ended) = tasks.try_join_next() {
            pass_panic_on(ended);
        }
        let passed = (Instant::now().saturating_duration_since(start)).as_nanos();
        while let Some((_, operation)) = operations.next_if(|(due_ns, _)| u128::from(*due_ns) <= passed) {
            if tasks.len() < limit {
                tasks.spawn(begin(operation));
            } else {
                shed(operation);
            }
        }
    }
    let given_up = async {
        // Where nobody can say it any more, nobody does.
        if stop.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(PATIENCE).await;
    };
    // Each operation has a deadline of its own.
    let ended = async {
        while let Some(ended) = tasks.join_next().await {
            pass_panic_on(ended);
        }
    };
    tokio::select! {
        () = ended => {}
        () = given_up => tasks.shutdown().await,
    }
}

/// An operation that panics is a defect of this program, and its history would lack an end.
fn pass_panic_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    const MS: u64 = 1_000_000;

    /// When each of 1000 operations is due, twice: to wait for, and to tell.
    fn every_10_ms() -> impl Iterator<Item = (u64, u64)> {
        (0..1_000).map(|i| (i * 10 * MS, i * 10 * MS))
    }

    /// Fires 1000 operations, one every 10 ms, at a target that answers in 1 ms, but answers nothing
    /// between 4 s and 4.995 s. Gives the latencies in ms, sorted, and how many were shed.
    async fn fire_at_a_stalling_target(limit: usize) -> (Vec<u128>, usize) {
        let start = Instant::now();
        let latencies = Arc::new(Mutex::new(Vec::new()));
        let (_keep, stop) = watch::channel(false);
        let mut shed = 0;
        let begin = |due_ns: u64| {
            let (latencies, due) = (latencies.clone(), start + Duration::from_nanos(due_ns));
            async move {
                // It ends between two due times: of two things due at once either may come first.
                let (stall, end) = (start + Duration::from_secs(4), start + Duration::from_millis(4_995));
                let answered = Instant::now() + Duration::from_millis(1);
                let answered = if answered > stall && answered < end { end } else { answered };
                tokio::time::sleep_until(answered).await;
                latencies.lock().push((Instant::now() - due).as_millis());
            }
        };
        fire(every_10_ms(), start, limit, stop, tokio::time::sleep_until, begin, |_| shed += 1).await;
        let mut latencies = std::mem::take(&mut *latencies.lock());
        latencies.sort_unstable();
        (latencies, shed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_of_one_second_shows_in_the_99th_percentile() {
        let (latencies, shed) = fire_at_a_stalling_target(4_096).await;
        assert_eq!((latencies.len(), shed), (1_000, 0));
        // 100 of 1000 operations fall into the stall and wait 995, 985, … 5 ms.
        assert!(latencies[500] <= 3, "median {} ms", latencies[500]);
        assert!((890..=910).contains(&latencies[989]), "p99 {} ms", latencies[989]);
        assert!((990..=1_003).contains(&latencies[999]), "max {} ms", latencies[999]);
    }

    #[tokio::test(start_paused = true)]
    async fn above_the_limit_operations_are_shed_and_counted() {
        let (latencies, shed) = fire_at_a_stalling_target(40).await;
        assert_eq!(shed, 60);
        assert_eq!(latencies.len(), 940);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "an operation's defect")]
    async fn a_panic_of_an_operation_is_not_swallowed() {
        let (_keep, stop) = watch::channel(false);
        let begin = |_| async { panic!("an operation's defect") };
        fire([(0, ()), (10 * MS, ())], Instant::now(), 10, stop, tokio::time::sleep_until, begin, |_| ())
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_stops_when_told() {
        let (sender, stop) = watch::channel(false);
        let mut begun = 0;
        let telling = async {
            tokio::time::sleep(Duration::from_millis(95)).await;
            sender.send(true).unwrap();
        };
        let begin = |_| {
            begun += 1;
            async {}
        };
        tokio::join!(
            fire(every_10_ms(), Instant::now(), 10, stop, tokio::time::sleep_until, begin, |_| ()),
            telling
        );
        assert_eq!(begun, 10);
    }
    #[tokio::test(start_paused = true)]
    async fn an_operation_that_waits_for_an_hour_does_not_hold_up_who_wants_to_end() {
        let (sender, stop) = watch::channel(false);
        let began = Instant::now();
        let telling = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            sender.send(true).unwrap();
        };
        let hour = |()| tokio::time::sleep(Duration::from_secs(3600));
        tokio::join!(fire([(0, ())], began, 10, stop, tokio::time::sleep_until, hour, |()| ()), telling);
        assert!(began.elapsed() < Duration::from_secs(1) + 2 * PATIENCE, "{:?}", began.elapsed());
    }
}
