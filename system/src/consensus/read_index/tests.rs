use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use tokio::task::JoinSet;

use super::*;

/// Rounds that end when they are told to, each with what was committed when it began.
#[derive(Clone, Default)]
struct Stage {
    committed: Arc<AtomicU64>,
    under_way: Arc<Mutex<Vec<oneshot::Sender<()>>>>,
}

impl Stage {
    fn queue(&self) -> IndexQueue {
        let stage = self.clone();
        in_rounds(move || {
            let index = stage.committed.load(Ordering::SeqCst);
            let (end, ended) = oneshot::channel();
            stage.under_way.lock().unwrap().push(end);
            async move {
                ended.await.unwrap();
                Ok(index)
            }
        })
    }

    async fn wait_for_rounds(&self, count: usize) {
        while self.under_way.lock().unwrap().len() < count {
            tokio::task::yield_now().await;
        }
    }

    fn end_first(&self) {
        self.under_way.lock().unwrap().remove(0).send(()).unwrap();
    }
}

#[tokio::test]
async fn who_comes_while_rounds_are_under_way_shares_a_later_one_and_learns_of_later_changes() {
    let (stage, mut asking) = (Stage::default(), JoinSet::new());
    let queue = stage.queue();
    for round in 1..=ROUNDS {
        let queue = queue.clone();
        asking.spawn(async move { queued(&queue).await });
        stage.wait_for_rounds(round).await;
    }
    stage.committed.store(7, Ordering::SeqCst);
    let mut later = JoinSet::new();
    for _ in 0..100 {
        let queue = queue.clone();
        later.spawn(async move { queued(&queue).await });
    }
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.under_way.lock().unwrap().len(), ROUNDS, "too many rounds at a time");
    stage.end_first();
    stage.wait_for_rounds(ROUNDS).await;
    while !stage.under_way.lock().unwrap().is_empty() {
        stage.end_first();
    }
    assert_eq!(asking.join_all().await, vec![Ok(0); ROUNDS]);
    assert_eq!(later.join_all().await, vec![Ok(7); 100], "one more round for all of them");
}
