//! Memory and time that a stranger can take, and a user.

mod crowding;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, future::join_all};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use veil::{
    client::{ClientError, Credential, NewSession},
    directory::{ImageId, Refusal},
    identity::{Password, SessionToken},
    wire::{
        client::{Answer, Asked, NewImage, Request, ServiceError},
        codec,
        frame::{Envelope, FrameStream, from_frame, to_frame},
    },
};

use super::victim::Victim;
use crate::harness::{key, log_in, name, soon};

/// A frame with the head of a request, and `filler` behind it.
fn frame(session: Option<&SessionToken>, head: &[u8], filler: &[u8], length: usize) -> Bytes {
    let mut frame = codec::encode(&(1u64, session)).unwrap();
    frame.extend(head);
    frame.extend(filler.iter().cycle().take(length - frame.len()));
    frame.into()
}

/// A photo of two megabytes.
fn noise() -> Bytes {
    let mut state = 1u32;
    let pixels = image::RgbImage::from_fn(1_000, 700, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        image::Rgb([(state >> 8) as u8, (state >> 16) as u8, (state >> 24) as u8])
    });
    let mut file = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner().into()
}

/// Half a million records of 2 bytes, which would take hundreds each.
const RESTORE: &[u8] = &[2, 1, 21, 252, 0x20, 0xa1, 0x07, 0];
/// Millions of nodes to be avoided.
const ASSIGN: &[u8] = &[3, 252, 0, 0, 0, 4];
/// A seal of an original that never comes to its end. (Owner `a`, no grants.)
const SEAL: &[u8] = &[4, 1, 1, b'a', 0, 252, 0, 0, 0, 1];

async fn answer(frames: &mut FrameStream) -> Option<Answer> {
    let frame = frames.next().await?.ok()?;
    from_frame::<Envelope<Answer>>(&frame).ok().map(|envelope| envelope.body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_frame_of_a_stranger_is_not_kept_and_one_that_would_grow_is_not_decoded() {
    Victim::withstands("large frames of a stranger", async |victim| {
        // It says how long it is, and is told at once that nobody reads it.
        let mut frames = victim.greeted().await;
        frames.send(frame(None, RESTORE, &[0], 16 << 20)).await.unwrap();
        let refused = answer(&mut frames).await;
        assert_eq!(refused, Some(Err(ServiceError::Declined(Refusal::OperatorsOnly))));
        // The connection goes on.
        frames
            .send(to_frame(&Envelope { id: 2, body: Asked::stranger(Request::Status) }).unwrap())
            .await
            .unwrap();
        assert!(matches!(answer(&mut frames).await, Some(Ok(_))));
        // A byte more than a stranger may send.
        frames.send(frame(None, ASSIGN, &[0], (64 << 10) + 1)).await.unwrap();
        assert_eq!(answer(&mut frames).await, Some(Err(ServiceError::Declined(Refusal::NoSession))));
        // Longer than anything that a client sends.
        let mut frames = victim.greeted().await;
        let _ = frames.send(frame(None, RESTORE, &[0], 70 << 20)).await;
        assert!(answer(&mut frames).await.is_none());
        // As large as a stranger's may be, as many as there can be.
        let many = (0..64).map(|number| async move {
            for _ in 0..20 {
                let mut frames = victim.greeted().await;
                let head = if number % 2 == 0 { RESTORE } else { ASSIGN };
                frames.send(frame(None, head, &[0], 64 << 10)).await.unwrap();
                assert!(answer(&mut frames).await.is_none(), "it was answered");
            }
        });
        join_all(many).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_sends_no_more_than_what_a_request_needs() {
    Victim::withstands("large frames of a user", async |victim| {
        let (_, token) = victim.user("mallory").await;
        let many = (0..32).map(|_| async {
            for head in [RESTORE, ASSIGN].into_iter().cycle().take(10) {
                let mut frames = victim.greeted().await;
                // Whoever is no operator restores nothing, however little.
                frames.send(frame(Some(&token), head, &[0], 1 << 20)).await.unwrap();
                match answer(&mut frames).await {
                    Some(Err(ServiceError::Declined(Refusal::OperatorsOnly))) if head == RESTORE => {}
                    None if head == ASSIGN => {}
                    other => panic!("{other:?}"),
                }
            }
        });
        join_all(many).await;
        let mut frames = victim.greeted().await;
        frames.send(frame(Some(&token), ASSIGN, &[0], 2 << 20)).await.unwrap();
        let refused = answer(&mut frames).await;
        assert!(matches!(refused, Some(Err(ServiceError::Declined(Refusal::TooMuch { .. })))), "{refused:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_never_end_wait_for_memory_in_turn() {
    Victim::withstands("100 unfinished frames of 16 MiB", async |victim| {
        let (_, token) = victim.user("mallory").await;
        let whole = frame(Some(&token), SEAL, &[0], 16 << 20);
        let mut open = Vec::new();
        for _ in 0..100 {
            let mut stream = victim.greeted().await.into_inner();
            let whole = whole.clone();
            open.push(tokio::spawn(async move {
                let sent = async {
                    stream.write_all(&(whole.len() as u32).to_be_bytes()).await?;
                    stream.write_all(&whole[..whole.len() - 1]).await?;
                    stream.flush().await
                };
                // Whoever finds no room is not read from.
                let _ = tokio::time::timeout(Duration::from_secs(4), sent).await;
                stream
            }));
        }
        join_all(open).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_reads_are_not_piled_up() {
    Victim::withstands("180 seals of 2 MB that nobody reads", async |victim| {
        let (_, token) = victim.user("mallory").await;
        let mut open = Vec::new();
        for connection in 0..3u128 {
            let mut frames = victim.greeted().await;
            let (token, original) = (token.clone(), noise());
            open.push(tokio::spawn(async move {
                let sending = async {
                    for number in 0..60u128 {
                        let now = u128::from(veil::node::system_clock()()) << 80;
                        let request = Request::Seal {
                            request: veil::directory::RequestId(now | connection << 32 | number),
                            image: NewImage::of(name("mallory")),
                            original: original.clone(),
                        };
                        let body = Asked { session: Some(token.clone()), request };
                        if frames.send(to_frame(&Envelope { id: 1, body }).unwrap()).await.is_err() {
                            return;
                        }
                    }
                };
                let _ = tokio::time::timeout(Duration::from_secs(5), sending).await;
                // So long it waits for what it does not read.
                tokio::time::sleep(Duration::from_secs(5)).await;
                frames
            }));
        }
        drop(join_all(open).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_opens_all_connections_takes_them_from_themselves() {
    Victim::withstands("4,200 greeted connections", async |victim| {
        let mut open = Vec::new();
        while open.len() < 4_200 {
            let greeting = (0..50).map(|_| victim.greeted());
            open.extend(join_all(greeting).await);
        }
        // From the same address even: somebody new is let in.
        let (newcomer, _) = victim.user("ben").await;
        newcomer.list(name("ben"), None, soon()).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_checks_are_answered_among_slow_connections() {
    Victim::withstands("300 slow connections over HTTP", async |victim| {
        let mut slow = Vec::new();
        for round in 0..30 {
            for _ in 0..10 {
                let mut stream = victim.connected(&victim.http).await;
                stream.write_all(b"GET /healthz HTTP/1.1\r\nX: ").await.unwrap();
                slow.push(stream);
            }
            let mut stream = victim.connected(&victim.http).await;
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK"), "{round}: {answer}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_on_the_nodes_port_are_not_rafts_business() {
    Victim::withstands("2,000 handshakes on the nodes' port", async |victim| {
        let before = [victim.processor_time("veil-raft"), victim.processor_time("veil-serve")];
        for _ in 0..40 {
            let shaking = (0..50).map(|_| async {
                let network = victim.network(None);
                // Without a certificate it is refused, after all has been calculated.
                if let Ok(mut stream) = network.dial(&victim.member.peer).await {
                    let _ = stream.read(&mut [0; 16]).await;
                }
            });
            join_all(shaking).await;
        }
        // They take most of the time that the node takes at all, and none of it is that of Raft's thread.
        let raft = victim.processor_time("veil-raft") - before[0];
        let serving = victim.processor_time("veil-serve") - before[1];
        assert!(raft < serving / 2, "Raft's thread took {raft} ticks, those that serve {serving}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_signatures_shut_nobody_out() {
    Victim::withstands("200 wrong signatures in a user's name", async |victim| {
        let stranger = victim.client(None);
        for _ in 0..200 {
            let credential = Credential::Key(key("mallory"));
            let session =
                NewSession { token: stranger.draw_token(), device: "x".to_owned(), lifetime_ms: 1_000 };
            let refused =
                stranger.log_in(stranger.request_id(), name("anna"), &credential, &session, soon()).await;
            assert_eq!(refused.map(drop), Err(ClientError::NotProven));
        }
        // From the same address, by the right key: whoever was tried, and whoever was not.
        let anna = log_in(&victim.client(None), "anna").await;
        anna.list(name("anna"), None, soon()).await.unwrap();
        victim.user("ben").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_for_some_shut_no_others_out() {
    Victim::withstands("wrong passwords for three users", async |victim| {
        let password = |text: &str| Credential::Password(Password::try_from(text.to_owned()).unwrap());
        let operator = victim.client(Some(veil::identity::Role::Operator));
        for user in ["ben", "one", "two", "three"] {
            let right = Password::try_from(format!("of {user}, right")).unwrap();
            let request = operator.request_id();
            operator.register(request, name(user), key(user).public(), Some(right), soon()).await.unwrap();
        }
        let stranger = victim.client(None);
        let attempt = async |user: &str, credential: &Credential| {
            let session =
                NewSession { token: stranger.draw_token(), device: "x".to_owned(), lifetime_ms: 1_000 };
            stranger.log_in(stranger.request_id(), name(user), credential, &session, soon()).await.map(drop)
        };
        for victim in ["one", "two", "three"] {
            let mut tried = 0;
            while attempt(victim, &password("certainly wrong")).await == Err(ClientError::NotProven) {
                tried += 1;
                assert!(tried < 100, "nobody stops it");
            }
        }
        attempt("ben", &password("of ben, right")).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registrations_of_strangers_are_few_and_those_of_operators_are_not() {
    Victim::withstands("5,000 registrations", async |victim| {
        let stranger = victim.client(None);
        let registering = (0..5_000).map(|number| {
            let (user, stranger) = (format!("x{number}"), &stranger);
            async move {
                stranger.register(stranger.request_id(), name(&user), key(&user).public(), None, soon()).await
            }
        });
        let registered = join_all(registering).await;
        let done = registered.iter().filter(|done| done.is_ok()).count();
        // A minute's worth, and a few more in the time that it took.
        assert!((60..600).contains(&done), "{done} were registered");
        let refused = registered.into_iter().find_map(Result::err).unwrap();
        assert!(refused.to_string().starts_with("too many new users: try again in "), "{refused}");
        // By an operator, from the same address, as many as it takes.
        let operator = victim.client(Some(veil::identity::Role::Operator));
        for number in 0..100 {
            let user = format!("y{number}");
            let request = operator.request_id();
            operator.register(request, name(&user), key(&user).public(), None, soon()).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_may_be_online_with_every_device_and_all_that_it_may_offer() {
    Victim::withstands("a user online with 32 devices and 32,000 offers", async |victim| {
        let (mallory, _) = victim.user("mallory").await;
        for _ in 0..32 {
            let token = mallory.draw_token();
            let session = NewSession { token: token.clone(), device: "x".to_owned(), lifetime_ms: 60_000 };
            let credential = Credential::Key(key("mallory"));
            let request = mallory.request_id();
            mallory.log_in(request, name("mallory"), &credential, &session, soon()).await.unwrap();
            let offers = vec![ImageId(u128::MAX); 1_000];
            let request = Request::Announce { address: "h:1".to_owned(), offers };
            let mut frames = victim.greeted().await;
            let body = Asked { session: Some(token), request };
            frames.send(to_frame(&Envelope { id: 1, body }).unwrap()).await.unwrap();
            let heard = answer(&mut frames).await;
            assert!(matches!(heard, Some(Ok(_))), "{heard:?}");
        }
    })
    .await;
}
