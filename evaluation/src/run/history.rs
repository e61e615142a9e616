//! Operations, joined from the two records that a history keeps of each.

use std::collections::HashMap;

use loadgen::{
    record::{Call, Outcome, Record},
    scenario::{OperationKind, OutcomeKind},
};

/// A history that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Two operations bear one number.
    #[error("operation {0} begins twice")]
    Twice(u64),
    /// An operation ends that did not begin, or ends again.
    #[error("operation {0} ends without being under way")]
    NotUnderWay(u64),
}

/// One operation, without what was said in it. Times are nanoseconds since the first stage began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Its number.
    pub op: u64,
    /// What it was.
    pub kind: OperationKind,
    /// When it was due.
    pub due_ns: i64,
    /// When it was sent; never, if shed.
    pub sent_ns: Option<i64>,
    /// When it ended; never, if shed or if the run ended before.
    pub done_ns: Option<i64>,
    /// How it ended. Without a recorded end it may have happened, so it is unknown.
    pub outcome: OutcomeKind,
}

impl Operation {
    /// Whether it belongs to setting the run up, before the first stage.
    pub fn is_setup(&self) -> bool {
        self.due_ns < 0
    }

    /// When it was due, s.
    pub fn due_s(&self) -> f64 {
        seconds(self.due_ns)
    }

    /// When it ended, s.
    pub fn done_s(&self) -> Option<f64> {
        self.done_ns.map(seconds)
    }

    /// How long its user waited: from the time it was due, however late it was sent. Only answered
    /// operations have a latency; how many did not is counted, never mixed in.
    pub fn latency_ns(&self) -> Option<u64> {
        match (self.outcome, self.done_ns) {
            (OutcomeKind::Ok, Some(done)) => Some(u64::try_from(done - self.due_ns).unwrap_or(0)),
            _ => None,
        }
    }

    /// How long after it was due it was sent; nothing, if shed.
    pub fn send_error_ns(&self) -> Option<u64> {
        self.sent_ns.map(|sent| u64::try_from(sent - self.due_ns).unwrap_or(0))
    }
}

fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}

/// What was said in one operation. Times are nanoseconds since the first stage began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The operation's number.
    pub op: u64,
    /// When it was sent.
    pub sent_ns: i64,
    /// When it ended; never, if no end was recorded.
    pub done_ns: Option<i64>,
    /// What was asked.
    pub call: Call,
    /// What came back; nothing, if no end was recorded: then it may have happened.
    pub outcome: Option<Outcome>,
}

impl Exchange {
    /// Whether it may have happened although nobody said so.
    pub fn is_unknown(&self) -> bool {
        matches!(self.outcome, None | Some(Outcome::Unknown(_)))
    }

    /// Whether it was answered.
    pub fn is_ok(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Ok(_)))
    }
}

/// A whole history.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Every operation, in order of due time.
    pub operations: Vec<Operation>,
    /// What was said, for the checkers, in order of sending. Listings change nothing and are left out.
    pub exchanges: Vec<Exchange>,
}

impl History {
    /// Joins the records of a history.
    ///
    /// # Errors
    /// When they contradict one another.
    pub fn join(records: impl IntoIterator<Item = Record>) -> Result<Self, HistoryError> {
        let mut join = Join::default();
        for record in records {
            join.add(record)?;
        }
        Ok(join.finish())
    }
}

/// A history being joined.
#[derive(Debug, Default)]
pub(super) struct Join {
    history: History,
    /// Where each operation stands, and its exchange if it has one.
    places: HashMap<u64, (usize, Option<usize>)>,
}

impl Join {
    pub(super) fn add(&mut self, record: Record) -> Result<(), HistoryError> {
        match record {
            Record::Invoke { op, due_ns, at_ns, call } => {
                let kind = call.kind();
                let exchange = (kind != OperationKind::Discover).then_some(self.history.exchanges.len());
                self.begin(
                    exchange,
                    Operation {
                        op,
                        kind,
                        due_ns,
                        sent_ns: Some(at_ns),
                        done_ns: None,
                        outcome: OutcomeKind::Unknown,
                    },
                )?;
                if exchange.is_some() {
                    self.history.exchanges.push(Exchange {
                        op,
                        sent_ns: at_ns,
                        done_ns: None,
                        call,
                        outcome: None,
                    });
                }
            }
            Record::Complete { op, at_ns, outcome } => {
                let &(place, exchange) = self.places.get(&op).ok_or(HistoryError::NotUnderWay(op))?;
                let operation = &mut self.history.operations[place];
                if operation.done_ns.is_some() || operation.outcome == OutcomeKind::Shed {
                    return Err(HistoryError::NotUnderWay(op));
                }
                operation.done_ns = Some(at_ns);
                operation.outcome = outcome.kind();
                if let Some(exchange) = exchange {
                    let exchange = &mut self.history.exchanges[exchange];
                    exchange.done_ns = Some(at_ns);
                    exchange.outcome = Some(outcome);
                }
            }
            Record::Shed { op, due_ns, kind } => self.begin(
                None,
                Operation { op, kind, due_ns, sent_ns: None, done_ns: None, outcome: OutcomeKind::Shed },
            )?,
        }
        Ok(())
    }

    fn begin(&mut self, exchange: Option<usize>, operation: Operation) -> Result<(), HistoryError> {
        let place = (self.history.operations.len(), exchange);
        if self.places.insert(operation.op, place).is_some() {
            return Err(HistoryError::Twice(operation.op));
        }
        self.history.operations.push(operation);
        Ok(())
    }

    pub(super) fn finish(mut self) -> History {
        self.history.operations.sort_by_key(|o| (o.due_ns, o.op));
        self.history
    }
}

#[cfg(test)]
mod tests {
    use loadgen::record::Reply;

    use super::*;

    fn invoke(op: u64, due_ns: i64) -> Record {
        Record::Invoke { op, due_ns, at_ns: due_ns + 1, call: Call::Register { user: format!("u{op}") } }
    }

    fn complete(op: u64, at_ns: i64, outcome: Outcome) -> Record {
        Record::Complete { op, at_ns, outcome }
    }

    #[test]
    fn records_of_one_operation_become_one_in_order_of_due_time() {
        let history = History::join([
            invoke(1, 500),
            invoke(0, -100),
            Record::Shed { op: 2, due_ns: 600, kind: OperationKind::View },
            complete(1, 900, Outcome::Ok(Reply::Registered)),
            complete(0, -50, Outcome::Failed("taken".into())),
            invoke(3, 700),
        ])
        .unwrap();
        let seen: Vec<_> = history.operations.iter().map(|o| (o.op, o.outcome, o.latency_ns())).collect();
        assert_eq!(
            seen,
            [
                (0, OutcomeKind::Failed, None),
                (1, OutcomeKind::Ok, Some(400)),
                (2, OutcomeKind::Shed, None),
                (3, OutcomeKind::Unknown, None),
            ]
        );
        assert!(history.operations[0].is_setup());
        assert!(history.exchanges.iter().any(|e| e.op == 3 && e.is_unknown()));
    }

    #[test]
    fn contradictions_are_refused() {
        let ok = || Outcome::Ok(Reply::Registered);
        assert_eq!(History::join([invoke(4, 0), invoke(4, 1)]), Err(HistoryError::Twice(4)));
        assert_eq!(History::join([complete(4, 1, ok())]), Err(HistoryError::NotUnderWay(4)));
        assert_eq!(
            History::join([invoke(4, 0), complete(4, 1, ok()), complete(4, 2, ok())]),
            Err(HistoryError::NotUnderWay(4))
        );
    }
}
