//! When each operation is due: it follows from the seed alone, so that nothing that happens during a run can move an
//! operation. One is drawn after the other, as they are asked for: the schedule of a day takes no room.

use rand::{Rng, RngExt};

use crate::scenario::{Arrival, Load, Stage};

/// Nanoseconds of one second.
const SECOND: f64 = 1e9;

/// The due times of every operation of `load`: nanoseconds since the first stage began, ascending,
/// all before the last stage ends. One seed of `rng` gives the same times on every machine.
///
/// # How
///
/// Let r(t) be the rate at time t and Λ(t) = ∫₀ᵗ r the operations that are due until then on average.
///
/// - *Constant*: operation k = 0, 1, 2, … is due where Λ(t) = k. At a constant rate the gaps are
///   equal, and in a ramp they shrink or grow smoothly.
/// - *Poisson*: the points of a Poisson process of rate r, moved by Λ, are a Poisson process of
///   rate 1, whose gaps are exponential with mean 1. So the gaps E₁, E₂, … are drawn, and operation
///   k is due where Λ(t) = E₁ + … + Eₖ. This is exact for any rate that changes with time.
///
/// Within a stage of length L whose rate goes from a to b, t after its beginning,
///
/// ```text
/// Λ(t) = a t + s t² / 2        with the slope s = (b - a) / L
/// ```
///
/// which for the mass m asks for the smaller root of a quadratic. In the form
///
/// ```text
/// t = 2 m / (a + √(a² + 2 s m))
/// ```
///
/// no nearly equal numbers are subtracted, and it holds for s = 0 as well, where it is m / a.
/// √(a² + 2 s m) is the rate at t. What is left of a gap at the end of a stage, in mass, is carried
/// into the next.
///
/// Only additions, multiplications, divisions and roots are used. Their results are the same on all
/// machines, which a logarithm's last digit is not: see the sampler below.
pub fn schedule<R: Rng>(load: &Load, mut rng: R) -> Schedule<R> {
    let first = match load.arrival {
        Arrival::Constant => 0.0,
        Arrival::Poisson => exponential(&mut rng),
    };
    Schedule {
        arrival: load.arrival,
        stages: load.stages.clone().into_iter(),
        stage: None,
        began: 0,
        first,
        point: first,
        passed: 0,
        rng,
    }
}

/// The due times of a load, see [`schedule`].
#[derive(Debug, Clone)]
pub struct Schedule<R> {
    arrival: Arrival,
    /// Those that are yet to begin.
    stages: std::vec::IntoIter<Stage>,
    /// The one that is drawn.
    stage: Option<Stage>,
    /// When it began, ns.
    began: u64,
    /// The mass of it at which its first operation is due.
    first: f64,
    /// The mass of it at which the next one is.
    point: f64,
    /// How many of it were passed.
    passed: u64,
    rng: R,
}

impl<R: Rng> Schedule<R> {
    /// The next operation of this stage: nanoseconds after it began; nothing, if it has no more.
    fn next_of(&mut self, stage: &Stage) -> Option<u64> {
        let (length, mass) = (nanoseconds(stage), stage.operations());
        while self.point < mass {
            let into = time_of(stage, self.point).round() as u64;
            self.passed += 1;
            self.point = match self.arrival {
                Arrival::Constant => self.first + self.passed as f64,
                Arrival::Poisson => self.point + exponential(&mut self.rng),
            };
            // A point at the very end may be rounded to it; it is then nobody's.
            if into < length {
                return Some(into);
            }
        }
        None
    }
}

impl<R: Rng> Iterator for Schedule<R> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            let stage = match self.stage {
                Some(stage) => stage,
                None => *self.stage.insert(self.stages.next()?),
            };
            if let Some(into) = self.next_of(&stage) {
                return Some(self.began + into);
            }
            self.first = self.point - stage.operations();
            (self.point, self.passed, self.stage) = (self.first, 0, None);
            self.began += nanoseconds(&stage);
        }
    }
}

fn nanoseconds(stage: &Stage) -> u64 {
    u64::try_from(stage.length.as_nanos()).unwrap_or(u64::MAX)
}

/// When the mass `m` has passed: nanoseconds after `stage` began.
fn time_of(stage: &Stage, mass: f64) -> f64 {
    if mass <= 0.0 {
        return 0.0;
    }
    let slope = (stage.rate_to - stage.rate_from) / stage.length.as_secs_f64();
    // At the end of a ramp down to 0 the sum may be rounded below 0.
    let rate = (stage.rate_from * stage.rate_from + 2.0 * slope * mass).max(0.0).sqrt();
    2.0 * mass / (stage.rate_from + rate) * SECOND
}

/// Draws from the exponential distribution of mean 1, by von Neumann's method of 1951, with
/// comparisons alone.
///
/// Draw numbers of [0, 1) as long as each is at most the one before it. That such a run begins with
/// x and has n numbers or more is as likely as that n - 1 more numbers are all below x and happen to
/// fall in order: xⁿ⁻¹ / (n - 1)!. So its length is odd with probability 1 - x + x²/2! - … = e⁻ˣ.
/// Accept x then; otherwise draw anew with 1 added, as e⁻⁽¹⁺ˣ⁾ = e⁻¹ e⁻ˣ wants and an even length,
/// whose probability in all is e⁻¹, gives. About 4.3 numbers are drawn for a result.
pub(crate) fn exponential(rng: &mut impl Rng) -> f64 {
    let mut whole = 0.0;
    loop {
        let first: f64 = rng.random();
        let mut last = first;
        let mut odd = true;
        loop {
            let next: f64 = rng.random();
            if next > last {
                break;
            }
            last = next;
            odd = !odd;
        }
        if odd {
            return whole + first;
        }
        whole += 1.0;
    }
}

#[cfg(test)]
mod tests;
