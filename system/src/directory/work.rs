//! How much one command does.

/// The most records that one command touches, [`Restore`](super::Restore) apart, which is for operators and limited by
/// [`MAX_WEIGHT`](super::MAX_WEIGHT). What would touch more is begun, hidden at once, and cleared away with the commands
/// that follow.
pub const MAX_WORK: u64 = 3_072;

/// How many records the last command has touched. No part of the state: nothing depends on it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Work(u64);

impl Work {
    pub(super) fn touch(&mut self, records: usize) {
        self.0 += records as u64;
    }

    pub(super) fn done(self) -> u64 {
        self.0
    }
}

impl PartialEq for Work {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
