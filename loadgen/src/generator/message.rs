//! What a run and its generators say to one another: a line of JSON each.

use std::collections::BTreeMap;

use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec};

use crate::{
    cluster::{OperatorFiles, Security},
    record::Counted,
    scenario::OutcomeKind,
    workload::{Names, Part},
};

/// No line is longer; the longest carries a scenario.
const MAX_LINE: usize = 16 << 20;

/// What a generator is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// First: what to get ready for.
    Prepare(Task),
    /// The first stage begins when [`machine_ns`](super::clock::machine_ns) is this.
    Start {
        /// Nanoseconds.
        at_ns: u64,
    },
    /// Begin no further operation.
    Stop,
}

/// What one generator has to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Which part of the load is its own.
    pub part: Part,
    /// The scenario, as resolved.
    pub scenario: String,
    /// Where the nodes serve clients.
    pub nodes: Vec<String>,
    /// Addresses that are reached by way of another one, such as a proxy's.
    pub routes: BTreeMap<String, String>,
    /// By what the nodes are known.
    pub security: Security,
    /// How its users are named.
    pub names: Names,
    /// Who registers them, if they do not do so themselves.
    pub registrar: Option<OperatorFiles>,
}

/// What a generator tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Its users are registered and its first images are sealed.
    Ready,
    /// It heard of the start when that was over.
    Late {
        /// By how much.
        by_ms: f64,
    },
    /// How its operations have ended so far; told several times a second from the beginning.
    Counts(Counts),
    /// All has ended and is on disk: so much was recorded.
    Done(Counted),
    /// It cannot go on.
    Failed {
        /// Why not.
        reason: String,
    },
}

/// Operations of the load, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Sent and not ended.
    pub in_flight: u64,
    /// Ended so, in the order of [`OutcomeKind::ALL`].
    ended: [u64; OutcomeKind::ALL.len()],
}

impl Counts {
    /// How many have ended so.
    pub fn ended(&self, outcome: OutcomeKind) -> u64 {
        self.ended[outcome as usize]
    }

    pub(crate) fn new(in_flight: u64, ended: [u64; OutcomeKind::ALL.len()]) -> Self {
        Self { in_flight, ended }
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, counts| {
            sum.in_flight += counts.in_flight;
            sum.ended.iter_mut().zip(counts.ended).for_each(|(sum, ended)| *sum += ended);
            sum
        })
    }
}

/// A conversation that has broken down.
#[derive(Debug, thiserror::Error)]
pub enum TalkError {
    /// The other side cannot be heard or does not hear.
    #[error(transparent)]
    Broken(#[from] tokio_util::codec::LinesCodecError),
    /// It says something that makes no sense.
    #[error("it said {line:?}: {reason}")]
    Garbled {
        /// What it said, or the beginning of it.
        line: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Messages that come in.
pub struct Hearing<R>(FramedRead<R, LinesCodec>);

impl<R: AsyncRead + Unpin> Hearing<R> {
    /// Listens there.
    pub fn new(from: R) -> Self {
        Self(FramedRead::new(from, LinesCodec::new_with_max_length(MAX_LINE)))
    }

    /// The next message; none when the other side has hung up. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// [`TalkError`]
    pub async fn next<M: DeserializeOwned>(&mut self) -> Result<Option<M>, TalkError> {
        let Some(line) = self.0.next().await.transpose()? else { return Ok(None) };
        match serde_json::from_str(&line) {
            Ok(message) => Ok(Some(message)),
            Err(e) => {
                Err(TalkError::Garbled { line: line.chars().take(200).collect(), reason: e.to_string() })
            }
        }
    }
}

/// Messages that go out.
pub struct Speaking<W>(FramedWrite<W, LinesCodec>);

impl<W: AsyncWrite + Unpin> Speaking<W> {
    /// Speaks there.
    pub fn new(to: W) -> Self {
        Self(FramedWrite::new(to, LinesCodec::new()))
    }

    /// Says something, and waits until it is out.
    ///
    /// # Errors
    /// [`TalkError`]
    pub async fn say<M: Serialize>(&mut self, message: &M) -> Result<(), TalkError> {
        let line = serde_json::to_string(message)
            .map_err(|e| TalkError::Garbled { line: String::new(), reason: e.to_string() })?;
        Ok(self.0.send(line).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_come_back_and_nonsense_is_shown() {
        let (near, far) = tokio::io::duplex(1 << 16);
        let mut speaking = Speaking::new(near);
        let mut hearing = Hearing::new(far);
        let task = Task {
            part: Part::WHOLE,
            scenario: "version = 1\n".into(),
            nodes: vec!["127.0.0.1:7101".into()],
            routes: BTreeMap::from([("127.0.0.1:7101".into(), "127.0.0.1:9".into())]),
            security: Security::Authority("-----BEGIN CERTIFICATE-----\n".into()),
            names: Names::of_this_run(),
            registrar: Some(OperatorFiles { certificate: "-----BEGIN".into(), key: "secret".into() }),
        };
        assert!(!format!("{task:?}").contains("secret"));
        for order in [Order::Prepare(task), Order::Start { at_ns: 5 }, Order::Stop] {
            speaking.say(&order).await.unwrap();
            assert_eq!(hearing.next::<Order>().await.unwrap(), Some(order));
        }
        speaking.say(&"hello").await.unwrap();
        let error = hearing.next::<Order>().await.unwrap_err().to_string();
        assert!(error.starts_with(r#"it said "\"hello\"": unknown variant `hello`"#), "{error}");
        drop(speaking);
        assert_eq!(hearing.next::<Order>().await.unwrap(), None);
    }

    #[test]
    fn golden_lines() {
        let line = |report: Report| serde_json::to_string(&report).unwrap();
        assert_eq!(line(Report::Ready), r#""ready""#);
        let counts = Counts::new(3, [1, 2, 3, 4]);
        let total = [counts, counts].into_iter().sum();
        assert_eq!(line(Report::Counts(total)), r#"{"counts":{"in_flight":6,"ended":[2,4,6,8]}}"#);
    }
}
