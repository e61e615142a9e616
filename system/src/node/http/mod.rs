//! The node's pages over HTTP, for people, health checks and Prometheus. Whoever asks is a stranger:
//! nothing they send is kept, and they cannot hold a connection for long.

mod hosts;
mod pages;

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Response, StatusCode, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};

pub(super) use self::{hosts::Hosts, pages::Pages};
use crate::wire::{
    connections::{Connections, Entering},
    limits::Limits,
    server::accept,
    transport::{Listener, Opening},
};

/// How many connections are open at a time; one more ends the oldest.
const CONNECTIONS: usize = 64;
/// A stranger who has not sent the head of a request by then is disconnected.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
/// No connection lives longer: it carries one request and one answer.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(10);
/// The largest head of a request, bytes. (The smallest limit that hyper takes.)
const HEAD_LIMIT: usize = 8192;
/// The most header fields in it.
const FIELDS_LIMIT: usize = 64;

type Page = Response<Full<Bytes>>;

/// Answers with the page that `answer` gives for a method and a path, until the future is dropped. Whoever names another
/// host than those is told nothing else.
pub(super) async fn serve<F: Future<Output = Page> + Send + 'static>(
    listener: Box<dyn Listener>,
    hosts: Hosts,
    answer: impl Fn(Method, String) -> F + Clone + Send + Sync + 'static,
) {
    let limits =
        Limits { connections: CONNECTIONS, connections_per_address: CONNECTIONS, ..Limits::default() };
    let hosts = Arc::new(hosts);
    accept(listener, Connections::within(limits), |opening, _, entering| {
        serve_connection(opening, entering, hosts.clone(), answer.clone())
    })
    .await;
}

async fn serve_connection<F: Future<Output = Page>>(
    opening: Opening,
    entering: Entering,
    hosts: Arc<Hosts>,
    answer: impl Fn(Method, String) -> F,
) -> Result<(), HttpError> {
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        let known = hosts.check(request.headers());
        // What follows the head is not read.
        let page = known.map(|()| answer(request.method().clone(), request.uri().path().to_owned()));
        async {
            Ok::<_, Infallible>(match page {
                Ok(page) => page.await,
                Err(unknown) => pages::text(StatusCode::MISDIRECTED_REQUEST, &unknown.to_string()),
            })
        }
    });
    let connection = async {
        let (stream, _) = opening.await?;
        let Some(mut place) = entering.enter() else { return Err(HttpError::Crowded) };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .keep_alive(false)
            .header_read_timeout(HEAD_PATIENCE)
            .max_headers(FIELDS_LIMIT)
            .max_buf_size(HEAD_LIMIT)
            .serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            ended = connection => Ok::<_, HttpError>(ended?),
            // The oldest makes room for whoever comes: it has had the time that an honest one needs.
            () = place.given_up() => Err(HttpError::Crowded),
        }
    };
    let ended = tokio::time::timeout(CONNECTION_PATIENCE, connection).await;
    ended.map_err(|_| HttpError::Slow(CONNECTION_PATIENCE))?
}

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error(transparent)]
    Opening(#[from] std::io::Error),
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    #[error("too many connections are open")]
    Crowded,
    #[error("not done after {0:?}")]
    Slow(Duration),
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::wire::transport::{Network, Pipes};

    /// A server whose only page says what was asked for.
    async fn echo() -> (Pipes, tokio::task::JoinHandle<()>) {
        let network = Pipes::default();
        let listener = network.listen("node").await.unwrap();
        let answer = |method: Method, path: String| async move {
            Response::new(Full::from(format!("{method} of {path}")))
        };
        (network, tokio::spawn(serve(listener, Hosts::new(["n".to_owned()]), answer)))
    }

    /// Sends `request`, and reads until the server closes the connection.
    async fn ask(network: &Pipes, request: &[u8]) -> String {
        let mut stream = network.dial("node").await.unwrap();
        // The server may close before it has read everything.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_a_connection() {
        let (network, _serving) = echo().await;
        let twice = b"GET /a?b=c HTTP/1.1\r\nHost: n\r\n\r\n".repeat(2);
        let answer = ask(&network, &twice).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nGET of /a"), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_who_dawdles_is_cut_off() {
        let (network, _serving) = echo().await;
        let began = tokio::time::Instant::now();
        assert_eq!(ask(&network, b"GET / HTTP/1.1\r\nHost: n\r\nX: ").await, "");
        assert_eq!(began.elapsed().as_secs(), HEAD_PATIENCE.as_secs());
        assert_eq!(ask(&network, b"").await, "");
        assert_eq!(began.elapsed().as_secs(), 2 * HEAD_PATIENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_who_takes_no_answer_is_cut_off() {
        let network = Pipes::default();
        let listener = network.listen("node").await.unwrap();
        // More than a pipe holds.
        let answer = |_, _| async { Response::new(Full::from(vec![b'.'; 4 << 20])) };
        let _serving = tokio::spawn(serve(listener, Hosts::new(["n".to_owned()]), answer));
        let mut stream = network.dial("node").await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: n\r\n\r\n").await.unwrap();
        tokio::time::sleep(CONNECTION_PATIENCE + Duration::from_millis(1)).await;
        let mut taken = Vec::new();
        stream.read_to_end(&mut taken).await.unwrap();
        assert!(taken.len() < 4 << 20, "{} bytes", taken.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_is_too_large_is_refused() {
        let (network, _serving) = echo().await;
        let long = format!("GET /{} HTTP/1.1\r\nHost: n\r\n\r\n", "a".repeat(10 * HEAD_LIMIT));
        let many = format!("GET / HTTP/1.1\r\nHost: n\r\n{}\r\n", "X: y\r\n".repeat(FIELDS_LIMIT + 1));
        for request in [long, many] {
            let answer = ask(&network, request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_are_slow_whoever_comes_is_served_at_once() {
        let (network, _serving) = echo().await;
        let mut slow = Vec::new();
        for _ in 0..3 * CONNECTIONS {
            slow.push(network.dial("node").await.unwrap());
        }
        let began = tokio::time::Instant::now();
        let request = b"GET / HTTP/1.1\r\nHost: n\r\n\r\n";
        assert!(ask(&network, request).await.ends_with("GET of /"));
        // The oldest of them are closed for that, and not only forgotten.
        assert_eq!(slow[0].read(&mut [0; 1]).await.unwrap(), 0);
        assert!(began.elapsed() < HEAD_PATIENCE, "it waited for the slow ones");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_was_led_here_by_another_name_is_told_nothing() {
        let (network, _serving) = echo().await;
        let answer = ask(&network, b"GET /status HTTP/1.1\r\nHost: evil.example:7301\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 421 Misdirected Request\r\n"), "{answer}");
        assert!(answer.contains("\"evil.example\" is no name of this node: listen.http_hosts"), "{answer}");
    }
}
