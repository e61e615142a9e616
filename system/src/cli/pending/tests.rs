use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use super::*;
use crate::{directory::ImageId, wire::transport::Pipes};

const PATIENCE: Duration = Duration::from_secs(10);
const NOT_LONG: Duration = Duration::from_millis(100);

/// A user's home, and a client that nobody answers.
struct Scene {
    home: tempfile::TempDir,
    client: Client,
    user: UserName,
}

impl Scene {
    fn new() -> Self {
        let client = Client::new(Arc::new(Pipes::default()), vec!["n1".to_owned()], 1).unwrap();
        Self { home: tempfile::tempdir().unwrap(), client, user: "ben".parse().unwrap() }
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("pending")
    }

    fn wish(&self) -> Wish<'_> {
        Wish { user: &self.user, kind: "view", content: b"image" }
    }

    async fn note(&self) -> Pending {
        Pending::note(&self.folder(), &self.client, self.wish(), PATIENCE).await.unwrap()
    }

    /// Asks, is answered so one time after the other, and gives back what was asked.
    async fn ask(
        &self,
        answers: Vec<Result<u32, ClientError>>,
    ) -> (anyhow::Result<Answered<u32>>, Vec<Turn>) {
        let (mut answers, mut turns) = (answers.into_iter(), Vec::new());
        let asked = self.note().await.ask(&self.client, async |turn| {
            turns.push(turn);
            answers.next().unwrap()
        });
        let asked = asked.await;
        (asked, turns)
    }

    fn notes(&self) -> usize {
        fs::read_dir(self.folder()).unwrap().count()
    }
}

fn unsettled() -> Result<u32, ClientError> {
    Err(ClientError::Unsettled { waited: PATIENCE, last: "silence".to_owned() })
}

fn timed_out() -> Result<u32, ClientError> {
    Err(ClientError::TimedOut { waited: PATIENCE, last: "nobody leads".to_owned() })
}

fn unreachable() -> Result<u32, ClientError> {
    Err(ClientError::Unreachable { waited: PATIENCE, nodes: Vec::new(), last: "nobody".to_owned() })
}

fn refused(refusal: Refusal) -> Result<u32, ClientError> {
    Err(refusal.into())
}

fn unknown() -> Refusal {
    Refusal::UnknownImage { image: ImageId(1) }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_answered_is_asked_again_under_its_id_until_it_is_kept() {
    let scene = Scene::new();
    let (lost, first) = scene.ask(vec![unsettled()]).await;
    assert!(lost.unwrap_err().to_string().contains("may have been done all the same"));
    assert!(!first[0].again);
    for _ in 0..2 {
        // Answered, and not kept: the picture could not be written.
        let (answered, turns) = scene.ask(vec![Ok(7)]).await;
        assert_eq!(answered.unwrap().answer, 7);
        assert_eq!(turns, [Turn { request: first[0].request, again: true }]);
    }
    let (answered, _) = scene.ask(vec![Ok(7)]).await;
    assert_eq!(answered.unwrap().settle().unwrap(), 7);
    assert_eq!(scene.notes(), 0);
    let (_, next) = scene.ask(vec![Ok(7)]).await;
    assert!(!next[0].again && next[0].request != first[0].request);
}

#[tokio::test(start_paused = true)]
async fn what_certainly_was_not_done_is_crossed_out() {
    let scene = Scene::new();
    for answer in
        [refused(unknown()), timed_out(), unreachable(), Err(ClientError::BadOriginal("no photo".to_owned()))]
    {
        let (refused, turns) = scene.ask(vec![answer]).await;
        assert!(refused.is_err() && !turns[0].again);
        assert_eq!(scene.notes(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn no_answer_to_a_later_attempt_says_anything_of_the_first() {
    let scene = Scene::new();
    let (_, first) = scene.ask(vec![unsettled()]).await;
    for answer in [timed_out(), unreachable(), unsettled(), refused(Refusal::NoSession)] {
        let (_, turns) = scene.ask(vec![answer]).await;
        assert_eq!(turns, [Turn { request: first[0].request, again: true }]);
    }
    assert_eq!(scene.notes(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_was_refused_then_or_cannot_know_any_more_asks_anew() {
    let scene = Scene::new();
    for (then, now) in [
        (unknown(), Ok(7)),
        (Refusal::RequestOutOfTime { request: RequestId(1), off_ms: 300_001 }, Ok(7)),
        (Refusal::RequestForgotten { request: RequestId(1), until_ms: 1 }, refused(unknown())),
    ] {
        let (_, first) = scene.ask(vec![unsettled()]).await;
        let (settled, turns) = scene.ask(vec![refused(then), now.clone()]).await;
        assert_eq!(turns[0], Turn { request: first[0].request, again: true });
        assert!(!turns[1].again && turns[1].request != turns[0].request);
        match settled {
            Ok(answered) => drop(answered.settle().unwrap()),
            Err(error) => assert_eq!(error.to_string(), now.unwrap_err().to_string()),
        }
        assert_eq!(scene.notes(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_settled_in_its_time_never_will_be() {
    let scene = Scene::new();
    let mut pending = scene.note().await;
    let old = RequestId::new(system_clock()() - REQUEST_WINDOW_MS - 1, 5);
    (pending.request, pending.earlier) = (old, true);
    let mut answers = vec![Ok(7), unsettled()];
    let mut turns = Vec::new();
    let asked = pending.ask(&scene.client, async |turn| {
        turns.push(turn);
        answers.pop().unwrap()
    });
    asked.await.unwrap().settle().unwrap();
    assert_eq!(turns[0], Turn { request: old, again: true });
    assert!(!turns[1].again && turns[1].request != old);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_asked_after_all_is_crossed_out_unless_it_was_asked_before() {
    let scene = Scene::new();
    let refuse = || Err(anyhow::anyhow!("there is one already"));
    scene.note().await.unless(refuse()).unwrap_err();
    assert_eq!(scene.notes(), 0);
    let (_, _) = scene.ask(vec![unsettled()]).await;
    scene.note().await.unless(refuse()).unwrap_err();
    assert_eq!(scene.notes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_note_of_which_nobody_can_know_any_more_is_dropped() {
    let scene = Scene::new();
    let now_ms = system_clock()();
    fs::create_dir(scene.folder()).unwrap();
    let path = scene.folder().join(scene.wish().file_name());
    let dated = |ms: u64| format!("{}\n", RequestId::new(ms, 5));
    // One too old, one of a time that is yet to come, one that is not whole, and none.
    let (old, early) = (dated(now_ms - REQUEST_WINDOW_MS - 1), dated(now_ms + 2 * REQUEST_WINDOW_MS));
    for text in [&old, &early, dated(now_ms).trim_end(), "abc\n", ""] {
        fs::write(&path, text).unwrap();
        let pending = scene.note().await;
        assert!(!pending.earlier && !text.contains(&pending.request.to_string()), "{text:?}");
    }
    fs::write(&path, dated(now_ms)).unwrap();
    assert!(scene.note().await.earlier);
}

#[tokio::test(start_paused = true)]
async fn of_two_at_the_same_one_waits_for_the_other_and_not_for_ever() {
    let scene = Scene::new();
    let first = scene.note().await;
    let refused = Pending::note(&scene.folder(), &scene.client, scene.wish(), NOT_LONG).await.unwrap_err();
    assert!(format!("{refused:#}").contains("ben is at the same view in another program"), "{refused:#}");
    // Another image, or another user, is not waited for.
    let ben = Wish { content: b"other", ..scene.wish() };
    let anna = "anna".parse().unwrap();
    let anna = Wish { user: &anna, ..scene.wish() };
    for other in [ben, anna] {
        let other = Pending::note(&scene.folder(), &scene.client, other, NOT_LONG).await.unwrap();
        other.cross_out().unwrap();
    }
    let id = first.request;
    let (second, ()) = tokio::join!(scene.note(), async {
        tokio::time::sleep(NOT_LONG).await;
        first.cross_out().unwrap();
    });
    assert!(!second.earlier && second.request != id);
}

#[tokio::test(start_paused = true)]
async fn a_note_is_for_its_user_alone() {
    let scene = Scene::new();
    let pending = scene.note().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&scene.folder()), mode(&pending.path)), (0o700, 0o600));
    assert_eq!(fs::read_to_string(&pending.path).unwrap(), format!("{}\n", pending.request));
    // Nor is one forgotten that somebody is at.
    forget(&scene.folder(), scene.wish());
    assert_eq!(scene.notes(), 1);
    drop(pending);
    forget(&scene.folder(), scene.wish());
    assert_eq!(scene.notes(), 0);
    let image = ImageId(scene.note().await.request.0);
    forget_image(&scene.folder(), ImageId(1));
    assert_eq!(scene.notes(), 1);
    forget_image(&scene.folder(), image);
    assert_eq!(scene.notes(), 0);
}
