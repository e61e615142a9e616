//! Generators that behave badly, made up: what they say is written here.

use futures_util::future::BoxFuture;
use tokio::{io::DuplexStream, task::JoinSet};

use super::*;
use crate::workload::Part;

/// Plays a generator: it is handed its part, what it hears and where it speaks.
type Play = fn(Part, Hearing<DuplexStream>, Speaking<DuplexStream>) -> BoxFuture<'static, ()>;

struct Stage(Play);

impl Launcher for Stage {
    fn launch<'a>(
        &'a self,
        part: Part,
        _out: &'a std::path::Path,
    ) -> BoxFuture<'a, std::io::Result<Launched>> {
        let (orders, heard) = tokio::io::duplex(1 << 16);
        let (said, reports) = tokio::io::duplex(1 << 16);
        let mut task = JoinSet::new();
        let playing = (self.0)(part, Hearing::new(heard), Speaking::new(said));
        task.spawn(async move {
            playing.await;
            Some("exit status: 9".to_owned())
        });
        let (orders, reports): (Box<_>, Box<_>) = (Box::new(orders), Box::new(reports));
        Box::pin(async move { Ok(Launched { orders, reports, behind: Box::new(task) }) })
    }
}

fn tasks(of: u32) -> Vec<(Task, PathBuf)> {
    let task = |part| Task {
        part,
        scenario: String::new(),
        nodes: Vec::new(),
        routes: Default::default(),
        security: crate::cluster::Security::Plain,
        names: Default::default(),
        registrar: None,
    };
    Part::all(of).map(|part| (task(part), PathBuf::new())).collect()
}

fn done() -> Report {
    Report::Done(Counted { records: 7, blake3: "aa".to_owned() })
}

/// Gets ready, waits for the start, and works until it is stopped.
async fn get_ready(hearing: &mut Hearing<DuplexStream>, speaking: &mut Speaking<DuplexStream>) {
    assert!(matches!(hearing.next().await.unwrap(), Some(Order::Prepare(_))));
    speaking.say(&Report::Ready).await.unwrap();
    assert!(matches!(hearing.next().await.unwrap(), Some(Order::Start { .. })));
}

async fn work_until_stopped(hearing: &mut Hearing<DuplexStream>, speaking: &mut Speaking<DuplexStream>) {
    speaking.say(&Report::Counts(Counts::new(1, [2, 0, 0, 0]))).await.unwrap();
    assert_eq!(hearing.next().await.unwrap(), Some(Order::Stop));
    speaking.say(&done()).await.unwrap();
}

/// Plays from the start to the end, and gives what went wrong, in words.
async fn play(play: Play, stop: watch::Receiver<bool>) -> (Vec<String>, Counts) {
    let mut team = Team::assemble(&Stage(play), tasks(3)).await.unwrap();
    let tally = team.tally();
    team.start(Instant::now()).await.unwrap();
    let Finished { wrong, .. } = team.finish(stop).await;
    (wrong.iter().map(ToString::to_string).collect(), tally.total())
}

fn is_second(part: Part) -> bool {
    part.to_string() == "g2"
}

#[tokio::test(start_paused = true)]
async fn all_are_told_to_stop_and_their_counts_are_added() {
    let (sender, stop) = watch::channel(false);
    let team: Play = |_, mut hearing, mut speaking| {
        Box::pin(async move {
            get_ready(&mut hearing, &mut speaking).await;
            work_until_stopped(&mut hearing, &mut speaking).await;
        })
    };
    let telling = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        sender.send(true).unwrap();
    };
    let ((wrong, total), ()) = tokio::join!(play(team, stop), telling);
    assert_eq!(wrong, [""; 0]);
    assert_eq!(total, Counts::new(3, [6, 0, 0, 0]));
}

#[tokio::test(start_paused = true)]
async fn one_that_dies_is_named_and_ends_the_load_of_the_others() {
    let (_keep, stop) = watch::channel(false);
    let team: Play = |part, mut hearing, mut speaking| {
        Box::pin(async move {
            get_ready(&mut hearing, &mut speaking).await;
            if !is_second(part) {
                work_until_stopped(&mut hearing, &mut speaking).await;
            }
        })
    };
    let (wrong, _) = play(team, stop).await;
    assert_eq!(wrong, ["load generator g2 ended before it was done: exit status: 9"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_stands_still_is_given_up() {
    let (_keep, stop) = watch::channel(false);
    let team: Play = |part, mut hearing, mut speaking| {
        Box::pin(async move {
            get_ready(&mut hearing, &mut speaking).await;
            if is_second(part) {
                std::future::pending::<()>().await;
            }
            loop {
                match tokio::time::timeout(Duration::from_secs(1), hearing.next()).await {
                    Ok(order) => break assert_eq!(order.unwrap(), Some(Order::Stop)),
                    Err(_) => speaking.say(&Report::Counts(Counts::default())).await.unwrap(),
                }
            }
            speaking.say(&done()).await.unwrap();
        })
    };
    let (wrong, _) = play(team, stop).await;
    assert_eq!(wrong, ["load generator g2 has said nothing for 20s"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_misses_the_start_is_told_of_and_goes_on() {
    let (_keep, stop) = watch::channel(false);
    let team: Play = |part, mut hearing, mut speaking| {
        Box::pin(async move {
            get_ready(&mut hearing, &mut speaking).await;
            if is_second(part) {
                speaking.say(&Report::Late { by_ms: 12.34 }).await.unwrap();
            }
            speaking.say(&done()).await.unwrap();
        })
    };
    let (wrong, _) = play(team, stop).await;
    assert_eq!(wrong, ["load generator g2 heard of the start 12.3 ms after it"]);
}

#[tokio::test(start_paused = true)]
async fn a_team_of_which_one_cannot_get_ready_is_none() {
    let team: Play = |part, mut hearing, mut speaking| {
        Box::pin(async move {
            assert!(matches!(hearing.next().await.unwrap(), Some(Order::Prepare(_))));
            if is_second(part) {
                let reason = "set-up failed: seal: no".to_owned();
                speaking.say(&Report::Failed { reason }).await.unwrap();
            } else {
                speaking.say(&Report::Ready).await.unwrap();
                // The others are ended with the team.
                assert_eq!(hearing.next::<Order>().await.unwrap(), None);
            }
        })
    };
    let error = Team::assemble(&Stage(team), tasks(3)).await.err().unwrap();
    assert_eq!(error.to_string(), "load generator g2: set-up failed: seal: no");
}

#[tokio::test(start_paused = true)]
async fn what_each_has_recorded_is_as_it_says_and_unknown_of_one_that_died() {
    let (_keep, stop) = watch::channel(false);
    let team: Play = |part, mut hearing, mut speaking| {
        Box::pin(async move {
            get_ready(&mut hearing, &mut speaking).await;
            if !is_second(part) {
                speaking.say(&done()).await.unwrap();
            }
        })
    };
    let mut team = Team::assemble(&Stage(team), tasks(3)).await.unwrap();
    team.start(Instant::now()).await.unwrap();
    let counted = team.finish(stop).await.counted;
    let records: Vec<Option<u64>> = counted.iter().map(|one| one.as_ref().map(|one| one.records)).collect();
    assert_eq!(records, [Some(7), None, Some(7)]);
}
