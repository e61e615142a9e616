//! Invariants 2, 3, 6 and 7: there is one order of all operations, each at some moment between its sending and its
//! answer, in which every answer is the right one.
//!
//! The history falls into parts that do not touch one another: every user, every image and every grant is one, and if
//! each can be ordered, so can all (linearizability is local). What nodes held in the end are the last questions.
//! Operations of unknown outcome took effect at any time after their sending, or never.
//!
//! So it sees what bounds cannot: a setting that was lost and is overwritten later, a view that was taken twice while
//! another is unknown, an answer from before another that was known already, a refusal while there were views left.
//!
//! What it does not see yet, since histories do not tell it: what lists name, why an operation failed.

mod configuration;
mod draw;
mod existence;
mod model;
mod search;
mod shrink;
mod told;
mod trail;
mod views;

use self::{
    existence::{Existence, Value},
    model::{Model, Operation, Source},
    search::{Budget, Exhausted, Found, Searched, search},
    told::{Contents, Told},
    views::{Used, Views},
};
use super::{CheckResult, Evidence, Violations};
use crate::{figure::thousands, foreign_text::line};

/// How much may be done for one user, image or grant. A configuration takes about 200 bytes, and sixteen times as many
/// are looked at as are kept: about 50 MB.
const ONE: Budget = Budget { steps: 20_000_000, configurations: 16_384 };
/// How much of it to explain how many views were used, too.
const EXPLAIN_USED: Budget = Budget { steps: 5_000_000, configurations: 4_096 };
/// How much may be done for all of them, steps: a history that rarely overlaps takes one or two an operation.
const ALL_STEPS: u64 = 1_000_000_000;
/// So many that could not be decided are named.
const NAMED: usize = 3;

/// What the check found, and what it looked at.
pub(super) struct Examined {
    pub result: CheckResult,
    pub operations: u64,
    /// The same in more words.
    pub effort: String,
}

pub(super) fn check(evidence: &Evidence<'_>) -> Examined {
    if let Some(reason) = evidence.cut_off() {
        // Whatever is missing may explain whatever is there.
        let result = CheckResult::Inconclusive { reason };
        return Examined { result, operations: 0, effort: "nothing was looked at".to_owned() };
    }
    let told = Told::of(evidence);
    let mut examination = Examination::new(&told, ALL_STEPS);
    examination.users();
    examination.images();
    examination.grants();
    examination.conclude(evidence.blind_spot())
}

/// The check under way.
struct Examination<'t, 'a> {
    told: &'t Told<'a>,
    steps_left: u64,
    violations: Violations,
    tally: Tally,
    undecided: Vec<String>,
}

/// What was looked at.
#[derive(Debug, Default)]
struct Tally {
    /// Users, images and grants.
    keys: u64,
    steps: u64,
    /// The most configurations that were kept at a time.
    most: usize,
    /// Keys that could not be decided.
    undecided: u64,
    /// Grants of which the number of views used was left to the check `quota`.
    used_ignored: u64,
}

impl<'t, 'a> Examination<'t, 'a> {
    fn new(told: &'t Told<'a>, steps: u64) -> Self {
        Self {
            told,
            steps_left: steps,
            violations: Violations::default(),
            tally: Tally::default(),
            undecided: Vec::new(),
        }
    }

    fn users(&mut self) {
        let model = Existence {
            values: vec![Value { making: "registers".to_owned(), made: "registered".to_owned() }],
        };
        for (user, from, operations) in self.told.users() {
            let found = self.search(&model, &from, &operations, ONE);
            self.judge(&model, &from, &operations, found, || format!("user {user}"));
        }
    }

    fn images(&mut self) {
        let mut contents = Contents::of(self.told);
        let model = Existence { values: std::mem::take(&mut contents.words) };
        let from = existence::State::Absent;
        for (image, operations) in self.told.images(&contents) {
            let found = self.search(&model, &from, &operations, ONE);
            self.judge(&model, &from, &operations, found, || format!("image {image}"));
        }
    }

    fn grants(&mut self) {
        let from = views::State::NoImage;
        for ((image, viewer), operations) in self.told.grants() {
            let subject = || format!("views of image {image} by {viewer}");
            let model = Views { used: Used::Explained };
            let found = self.search(&model, &from, &operations, EXPLAIN_USED);
            if !matches!(found, Found::Undecided(_)) {
                self.judge(&model, &from, &operations, found, subject);
                continue;
            }
            let model = Views { used: Used::Ignored };
            let found = self.search(&model, &from, &operations, ONE);
            if found == Found::Linearizable {
                self.tally.used_ignored += 1;
            }
            self.judge(&model, &from, &operations, found, subject);
        }
    }

    fn search<M: Model>(
        &mut self,
        model: &M,
        from: &M::State,
        operations: &[Operation<M>],
        most: Budget,
    ) -> Found {
        let budget = Budget { steps: most.steps.min(self.steps_left), ..most };
        let Searched { found, steps, most } = search(model, std::slice::from_ref(from), operations, budget);
        self.steps_left -= steps.min(self.steps_left);
        self.tally.steps += steps;
        self.tally.most = self.tally.most.max(most);
        found
    }

    fn judge<M: Model>(
        &mut self,
        model: &M,
        from: &M::State,
        operations: &[Operation<M>],
        found: Found,
        subject: impl Fn() -> String,
    ) {
        self.tally.keys += 1;
        match found {
            Found::Linearizable => {}
            Found::Undecided(exhausted) => {
                self.tally.undecided += 1;
                if self.undecided.len() < NAMED {
                    let why = match exhausted {
                        Exhausted::Steps => "too many steps",
                        Exhausted::Configurations => "too much that is possible at a time",
                    };
                    self.undecided.push(format!("{} ({why})", subject()));
                }
            }
            Found::Violation { at } => {
                let told = self.told;
                self.violations.add(|| {
                    let example = shrink::shrink(model, std::slice::from_ref(from), operations, at);
                    let who = |source: &Source| match source {
                        Source::Operation(op) => {
                            told.who(*op).map(|who| format!("{} ", line(who))).unwrap_or_default()
                        }
                        Source::ReadBack(_) => String::new(),
                    };
                    let answers = match example.answered.len() {
                        1 => "this answer".to_owned(),
                        count => format!("these {count} answers together"),
                    };
                    format!(
                        "{}: no order explains {answers}\n{}",
                        line(&subject()),
                        draw::draw(model, &example, who)
                    )
                });
            }
        }
    }

    fn conclude(self, blind_spot: Option<String>) -> Examined {
        let Tally { keys, steps, most, undecided, used_ignored } = self.tally;
        let mut effort = format!(
            "{} operations on {} users, images and grants, in {} steps with at most {} possible at a time",
            thousands(self.told.operations),
            thousands(keys),
            thousands(steps),
            thousands(most as u64),
        );
        if used_ignored > 0 {
            effort += &format!(
                "; how many views were used was left to quota for {} grants",
                thousands(used_ignored)
            );
        }
        let open = (undecided > 0).then(|| {
            let more = undecided - self.undecided.len() as u64;
            let mut named = self.undecided;
            if more > 0 {
                named.push(format!("{} more", thousands(more)));
            }
            format!(
                "{} of {} could not be decided: {}",
                thousands(undecided),
                thousands(keys),
                named.join(", ")
            )
        });
        let unseen: Vec<String> = [blind_spot, open].into_iter().flatten().collect();
        let unseen = (!unseen.is_empty()).then(|| unseen.join("; "));
        Examined { result: self.violations.conclude(unseen), operations: self.told.operations, effort }
    }
}

#[cfg(test)]
mod tests;
