use std::{
    future::pending,
    sync::atomic::{AtomicU32, Ordering},
};

use super::*;
use crate::{
    client::Client,
    directory::RequestId,
    identity::PublicKey,
    wire::{
        client::{Answer, Asked},
        connections::Connections,
        frame::Link,
        server::{Caller, Service, serve},
        transport::{Network, Pipes},
    },
};

fn member(id: NodeId) -> Member {
    Member { id, client: format!("n{id}"), peer: format!("n{id}-peer") }
}

fn leads(id: NodeId, term: u64) -> Leadership {
    Leadership { term, leader: Some(member(id)) }
}

/// Led, and is cut off: it takes requests and answers none.
struct CutOff;

impl Service for CutOff {
    type Request = Asked;
    type Answer = Answer;

    async fn answer(self: Arc<Self>, _caller: Caller, _asked: Asked) -> Answer {
        pending().await
    }
}

/// Has just been elected: it tells so, and still names the old leader to the first who asks for something.
#[derive(Default)]
struct JustElected {
    asked: AtomicU32,
}

impl Service for JustElected {
    type Request = Asked;
    type Answer = Answer;

    async fn answer(self: Arc<Self>, _caller: Caller, Asked { request, .. }: Asked) -> Answer {
        match request {
            Request::WatchLeadership { seen } if seen == leads(2, 2) => pending().await,
            Request::WatchLeadership { .. } => Ok(Reply::Leadership(leads(2, 2))),
            Request::Execute { .. } if self.asked.fetch_add(1, Ordering::SeqCst) == 0 => {
                Err(ServiceError::NotLeader(leads(1, 1)))
            }
            Request::Execute { .. } => Ok(Reply::Registered),
            _ => pending().await,
        }
    }
}

async fn begin<S: Service>(network: &Pipes, address: &str, service: S) {
    let listener = network.listen(address).await.unwrap();
    tokio::spawn(serve(listener, Link::Client, Arc::new(service), Connections::default()));
}

#[tokio::test(start_paused = true)]
async fn whom_an_older_term_names_is_not_turned_to() {
    let network = Pipes::default();
    begin(&network, "n1", CutOff).await;
    begin(&network, "n2", JustElected::default()).await;
    let client = Client::new(Arc::new(network), vec!["n1".to_owned(), "n2".to_owned()], 1).unwrap();
    client.leadership().wait_for(|known| *known == leads(2, 2)).await.unwrap();

    let (began, request) = (Instant::now(), RequestId(1));
    let key = PublicKey::from_bytes([1; 32]);
    client.register(request, "anna".parse().unwrap(), key, None, began + 10 * ATTEMPT).await.unwrap();
    let waited = began.elapsed();
    assert!(waited < ATTEMPT, "{waited:?}: it asked the node that is cut off");
}
