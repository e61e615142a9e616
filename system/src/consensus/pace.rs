//! How long this node's disk takes to have something safe. Pure: time comes from outside.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// So many syncs are remembered: one that takes long now and then is no sign of a slow disk.
const REMEMBERED: usize = 9;

/// What the last writes to the log took, from their beginning until they were safe.
#[derive(Debug, Default)]
pub(super) struct Pace {
    took: VecDeque<Duration>,
    /// Since when one is under way.
    begun: Option<Instant>,
}

impl Pace {
    /// A write begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.begun = Some(now);
    }

    /// It is safe, or has failed.
    pub(super) fn end(&mut self, now: Instant) {
        let took = self.waited(now);
        self.begun = None;
        if self.took.len() == REMEMBERED {
            self.took.pop_front();
        }
        self.took.push_back(took);
    }

    /// For how long one has been under way.
    pub(super) fn waited(&self, now: Instant) -> Duration {
        self.begun.map_or(Duration::ZERO, |begun| now.saturating_duration_since(begun))
    }

    /// What one took as a rule: the median of the last ones.
    pub(super) fn median(&self) -> Duration {
        let mut took: Vec<_> = self.took.iter().copied().collect();
        took.sort_unstable();
        took.get(took.len() / 2).copied().unwrap_or_default()
    }

    /// What one takes: as long as a rule, or longer, if one has been under way for longer.
    pub(super) fn usual(&self, now: Instant) -> Duration {
        self.median().max(self.waited(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn one_slow_sync_is_no_slow_disk_and_many_are() {
        let mut now = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.usual(now), ms(0));
        let mut sync = |pace: &mut Pace, took| {
            pace.begin(now);
            now += took;
            pace.end(now);
            pace.usual(now)
        };
        for _ in 0..20 {
            assert_eq!(sync(&mut pace, ms(2)), ms(2));
        }
        for _ in 0..REMEMBERED / 2 {
            assert_eq!(sync(&mut pace, ms(300)), ms(2));
        }
        assert_eq!(sync(&mut pace, ms(300)), ms(300));
    }

    #[test]
    fn one_that_does_not_end_counts_while_it_lasts() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.begin(now);
        assert_eq!((pace.waited(now + ms(700)), pace.usual(now + ms(700))), (ms(700), ms(700)));
        pace.end(now + ms(700));
        assert_eq!(pace.waited(now + ms(800)), ms(0));
    }
}
