//! The progress line. Silent without a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::{sync::watch, time::Instant};
use veil::wire::client::Leadership;

use super::team::Tally;
use crate::scenario::{Load, OutcomeKind};

/// How often the line is drawn anew.
const PERIOD: Duration = Duration::from_millis(200);

/// Shows what a step of the run is doing, until dropped.
pub struct Step(ProgressBar);

impl Step {
    /// Shows `what` and a spinner.
    pub fn begin(what: impl Into<String>) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what.into());
        bar.enable_steady_tick(PERIOD);
        Self(bar)
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Shows the load as it goes, until the future is dropped.
pub async fn show(load: Load, start: Instant, tally: Tally, leadership: watch::Receiver<Leadership>) {
    let length = load.length();
    let bar = ProgressBar::new(length.as_millis() as u64);
    // The template is a constant of this program.
    let style = ProgressStyle::with_template("{bar:24} {msg}").expect("a valid template");
    bar.set_style(style);
    let mut ticks = tokio::time::interval(PERIOD);
    let _clear = Clear(bar.clone());
    loop {
        ticks.tick().await;
        let at = Instant::now().saturating_duration_since(start);
        bar.set_position(at.as_millis() as u64);
        let leader = {
            let now = leadership.borrow();
            let name = now.leader.as_ref().map_or("nobody".to_owned(), |leader| format!("n{}", leader.id));
            format!("{name} leads term {}", now.term)
        };
        let stage = match load.stage_at(at) {
            Some((stage, _)) if stage.warmup => "warm-up",
            Some(_) => "load",
            None => "last answers",
        };
        let total = tally.total();
        let count = |outcome: OutcomeKind| format!("{} {}", total.ended(outcome), outcome.name());
        let counts = OutcomeKind::ALL.map(count).join(", ");
        bar.set_message(format!(
            "{stage} {:.0}/{:.0} s at {:.0}/s: {counts}, {} in flight; {leader}",
            at.as_secs_f64(),
            length.as_secs_f64(),
            load.rate_at(at),
            total.in_flight,
        ));
    }
}

struct Clear(ProgressBar);

impl Drop for Clear {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
