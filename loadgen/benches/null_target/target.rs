//! The null target: a node that leads from the beginning and has every answer at hand. What an operation costs beside
//! it is the generator's own.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{FutureExt, SinkExt, StreamExt, stream::FuturesUnordered};
use loadgen::cluster::Security;
use serde::{Deserialize, Serialize};
use veil::{
    cli::lifeline::end_with_parent,
    directory::{ImageId, Query},
    identity::{Authority, ClusterKeys, Issued, Role, Validity},
    node::{Entropy, system_clock},
    seal::ContentKey,
    wire::{
        client::{
            Answer, Asked, Change, Leadership, Member, MemberRole, Reply, Request, ServiceError,
            WATCH_PATIENCE_MS,
        },
        frame::{Envelope, FrameStream, Link, WireError, from_frame, handshake, to_frame},
        tls::{AuthorityCertificate, Certificate, NodeTls, Tls},
        transport::{Network, Tcp},
    },
};

/// Longer than any run.
const VALID: Duration = Duration::from_secs(24 * 3600);

/// Where the target is, and by what it is known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    pub address: String,
    pub security: Security,
}

/// Says on standard output where it is, and answers until its parent ends.
pub async fn serve(tls: bool) -> anyhow::Result<()> {
    end_with_parent()?;
    let (network, security) = if tls { with_tls()? } else { (plain(), Security::Plain) };
    let mut listener = network.listen("127.0.0.1:0").await?;
    let address = listener.local_address();
    println!("{}", serde_json::to_string(&Target { address: address.clone(), security })?);
    let answers = Arc::new(Answers::of(address));
    loop {
        let (opening, _) = listener.accept().await?;
        let answers = answers.clone();
        tokio::spawn(async move {
            let (stream, _) = opening.await?;
            answers.to_all(handshake(stream, Link::Client).await?).await
        });
    }
}

fn plain() -> Arc<dyn Network> {
    Arc::new(Tcp::default())
}

fn with_tls() -> anyhow::Result<(Arc<dyn Network>, Security)> {
    let (entropy, now) = (Entropy::from_system(), SystemTime::now());
    let authority = entropy.draw(|random| Authority::generate(random, now))?;
    let validity = Validity { from: now, length: VALID };
    let Issued { certificate, key } =
        entropy.draw(|random| authority.issue(Role::Node(1), random, validity))?;
    let pem = authority.to_pem().certificate;
    let certificate = Certificate::from_pem(certificate.as_bytes(), key.as_bytes())?;
    let node = NodeTls::new(AuthorityCertificate::from_pem(pem.as_bytes())?, certificate, now)?;
    Ok((Arc::new(Tls::clients(plain(), &node)?), Security::Authority(pem)))
}

/// What it answers.
struct Answers {
    leadership: Leadership,
    keys: ClusterKeys,
}

impl Answers {
    fn of(address: String) -> Self {
        let leader = Member { id: 1, peer: address.clone(), client: address };
        Self {
            leadership: Leadership { term: 1, leader: Some(leader) },
            keys: ClusterKeys::from_secret([1; 32]),
        }
    }

    /// Answers all that has arrived, and sends the answers together.
    async fn to_all(&self, mut frames: FrameStream) -> Result<(), WireError> {
        let mut watching = FuturesUnordered::new();
        loop {
            let mut arrived = tokio::select! {
                arrived = frames.next() => arrived,
                Some(id) = watching.next() => {
                    frames.send(self.frame(id, Ok(Reply::Leadership(self.leadership.clone())))?).await?;
                    continue;
                }
            };
            loop {
                let Some(frame) = arrived else { return Ok(()) };
                let Envelope { id, body: Asked { request, .. } } = from_frame(&frame?)?;
                if matches!(&request, Request::WatchLeadership { seen } if *seen == self.leadership) {
                    let patience = tokio::time::sleep(Duration::from_millis(WATCH_PATIENCE_MS));
                    watching.push(patience.map(move |()| id));
                } else {
                    frames.feed(self.frame(id, self.to(request))?).await?;
                }
                match frames.next().now_or_never() {
                    Some(next) => arrived = next,
                    None => break,
                }
            }
            frames.flush().await?;
        }
    }

    fn frame(&self, id: u64, body: Answer) -> Result<bytes::Bytes, WireError> {
        Ok(to_frame(&Envelope { id, body })?)
    }

    fn to(&self, request: Request) -> Answer {
        let now_ms = || system_clock()();
        Ok(match request {
            Request::WatchLeadership { .. } => Reply::Leadership(self.leadership.clone()),
            Request::Members => {
                let member = self.leadership.leader.clone().unwrap_or_default();
                Reply::Members(vec![MemberRole { member, voter: true }])
            }
            Request::AssignWorker { .. } => Reply::Worker(self.leadership.leader.clone().unwrap_or_default()),
            Request::Challenge => Reply::Challenge(self.keys.challenge(now_ms(), [1; 16])),
            // Whoever takes it apart finds that it is none, and does not look into it again.
            Request::Seal { request, .. } => {
                Reply::Sealed { image: ImageId(request.0), png: bytes::Bytes::new() }
            }
            Request::Read { query: Query::List { .. }, .. } => Reply::List(Default::default()),
            Request::Execute { change: Change::Register { .. }, .. } => Reply::Registered,
            Request::Execute { change: Change::LogIn { lifetime_ms, .. }, .. } => {
                Reply::LoggedIn { expires_ms: now_ms() + lifetime_ms }
            }
            Request::Execute { change: Change::OpenView(_), .. } => {
                Reply::Opened { key: ContentKey::from_bytes([1; 32]), views_left: Some(1), revision: 1 }
            }
            Request::Execute { change: Change::SetGrant(grant), .. } => {
                Reply::Granted { views_left: grant.views, revision: 1 }
            }
            other => {
                return Err(ServiceError::Internal(format!("the null target has no answer to {other:?}")));
            }
        })
    }
}
