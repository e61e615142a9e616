//! What can only be said of a scenario once its driver and its seed are certain.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Driver, FaultKind, Origin, Scenario, ScenarioError};

/// Apart from what else is drawn from the seed.
const STREAM: u64 = 2;

impl Scenario {
    /// Draws the schedule, or the times, that are to be drawn, and makes sure that every fault is available on the driver, that
    /// the load can come from where it is to come, and that nothing leaves this machine unencrypted.
    /// The result says in `faults` all that will happen: written out, it gives the same again.
    ///
    /// # Errors
    /// [`ScenarioError::Unavailable`], [`ScenarioError::NoInside`], [`ScenarioError::NotOnLoopback`]
    pub fn settle(mut self) -> Result<Self, ScenarioError> {
        let driver = self.cluster.driver;
        if self.load.from == Origin::Inside && driver != Driver::Docker {
            return Err(ScenarioError::NoInside { driver: driver.name() });
        }
        if !self.cluster.tls && driver != Driver::Process {
            return Err(ScenarioError::NotOnLoopback { driver: driver.name() });
        }
        for (index, fault) in self.faults.iter().enumerate() {
            self.available(fault.kind, || format!("fault[{index}]"))?;
        }
        if let Some(chaos) = self.chaos.take() {
            for (index, kind) in chaos.faults.iter().flatten().enumerate() {
                self.available(*kind, || format!("chaos.faults[{index}]"))?;
            }
            self.faults = chaos.draw(&self.cluster, self.seed);
        }
        self.draw_times();
        Ok(self)
    }

    /// Draws how much later each fault strikes that may, to the microsecond, all times equally likely.
    fn draw_times(&mut self) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(STREAM);
        for fault in &mut self.faults {
            let most = std::mem::take(&mut fault.spread).as_micros() as u64;
            if most > 0 {
                fault.at += Duration::from_micros(rng.random_range(0..most));
            }
        }
        self.faults.sort_by_key(|fault| fault.at);
    }

    fn available(&self, kind: FaultKind, key: impl FnOnce() -> String) -> Result<(), ScenarioError> {
        let driver = self.cluster.driver;
        match kind.unavailable(driver) {
            Some(reason) => {
                let (fault, driver) = (kind.name(), driver.name());
                Err(ScenarioError::Unavailable { key: key(), fault, driver, reason })
            }
            None => Ok(()),
        }
    }
}
