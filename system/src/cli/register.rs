//! `veil register`: makes a user known.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tokio::time::Instant;

use super::{
    ClusterArgs,
    escape::{in_json, shown},
    home::Home,
    password::PasswordArgs,
    session::log_in,
};
use crate::{
    client::{Client, ClientError, Credential},
    directory::{Refusal, UserName},
    identity::{KeyPair, Password},
};

/// Register a user.
///
/// Draws a key pair and stores it before the cluster is asked, and logs you in. The cluster is told the public half,
/// and keeps a hash of the password, with which you can log in where the key is not. A key that is there already is
/// used.
#[derive(Debug, Args)]
pub(super) struct RegisterArgs {
    /// The name: up to 64 of a-z 0-9 . _ -
    user: UserName,
    /// Have no password: only who has the key logs in.
    #[arg(long, conflicts_with = "password_file")]
    no_password: bool,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(args: RegisterArgs) -> anyhow::Result<()> {
    let RegisterArgs { user, no_password, password, cluster } = args;
    let password = match no_password {
        true => None,
        false => Some(password.read_new()?),
    };
    let (client, home) = (cluster.client()?, cluster.home.home()?);
    let Registered { pair, file } = register(&client, &home, &user, password, cluster.deadline()).await?;
    let key = pair.public();
    let logged_in = log_in(&client, &home, &user, &Credential::Key(pair), cluster.deadline()).await;
    let session =
        logged_in.map_err(|error| anyhow::anyhow!("{user} is registered, but not logged in: {error}"))?;
    cluster.done(
        format_args!("{user} is registered and logged in; the key is in {}", shown(&file)),
        json!({
            "user": user.as_str(),
            "public_key": key.to_string(),
            "key_file": in_json(&file),
            "session_file": in_json(&session),
        }),
    )?;
    Ok(())
}

#[derive(Debug)]
struct Registered {
    pair: KeyPair,
    file: PathBuf,
}

async fn register(
    client: &Client,
    home: &Home,
    user: &UserName,
    password: Option<Password>,
    deadline: Instant,
) -> anyhow::Result<Registered> {
    let stored = home.key_or_new(user)?;
    let (pair, file) = (stored.pair.clone(), stored.path.clone());
    let kept = shown(&file);
    match client.register(client.request_id(), user.clone(), pair.public(), password, deadline).await {
        Ok(()) => Ok(Registered { pair, file }),
        Err(error @ ClientError::Refused(Refusal::NameTaken { .. })) if stored.new => {
            stored.remove()?;
            Err(error.into())
        }
        Err(error @ ClientError::Refused(Refusal::NameTaken { .. })) => {
            // It may be the key that the user was registered with.
            Err(anyhow::anyhow!("{error}; the key in {kept} was there before, and is kept"))
        }
        // An attempt that got no answer may have been carried out.
        Err(error) => Err(anyhow::anyhow!("{error}; the key in {kept} is kept for another try")),
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use parking_lot::Mutex;

    use super::*;
    use crate::{
        identity::PublicKey,
        wire::{
            client::{Answer, Asked, Change, Leadership, Member, Reply, Request, ServiceError},
            connections::Connections,
            frame::Link,
            server::{Caller, Service, serve},
            transport::{Network, Pipes},
        },
    };

    /// A node that leads, notes who registers, and answers what it was told to.
    struct Stub {
        answer: Option<Answer>,
        file: PathBuf,
        /// The keys that it was told, each with what the file held at that moment.
        told: Mutex<Vec<(PublicKey, String)>>,
    }

    impl Service for Stub {
        type Request = Asked;
        type Answer = Answer;

        async fn answer(self: Arc<Self>, _caller: Caller, Asked { request, .. }: Asked) -> Answer {
            match request {
                Request::Execute { change: Change::Register { key, .. }, .. } => {
                    let file = std::fs::read_to_string(&self.file).unwrap_or_default();
                    self.told.lock().push((key, file));
                    match &self.answer {
                        Some(answer) => answer.clone(),
                        None => std::future::pending().await,
                    }
                }
                Request::WatchLeadership { seen } if seen == Leadership::default() => {
                    let leader = Member { id: 1, client: "n1".to_owned(), peer: String::new() };
                    Ok(Reply::Leadership(Leadership { term: 1, leader: Some(leader) }))
                }
                _ => std::future::pending().await,
            }
        }
    }

    struct Scene {
        folder: tempfile::TempDir,
        home: Home,
        user: UserName,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let home = Home::new(folder.path());
            Self { folder, home, user: "anna".parse().unwrap() }
        }

        fn file(&self) -> PathBuf {
            self.folder.path().join("users/anna.key")
        }

        /// Registers at a node that answers so, and gives back what the node was told, too.
        async fn register(
            &self,
            answer: Option<Answer>,
        ) -> (anyhow::Result<Registered>, Vec<(PublicKey, String)>) {
            let network = Pipes::default();
            let stub = Arc::new(Stub { answer, file: self.file(), told: Mutex::default() });
            let listener = network.listen("n1").await.unwrap();
            tokio::spawn(serve(listener, Link::Client, stub.clone(), Connections::default()));
            let client = Client::new(Arc::new(network), vec!["n1".to_owned()], 1).unwrap();
            let deadline = Instant::now() + Duration::from_secs(10);
            let registered = register(&client, &self.home, &self.user, None, deadline).await;
            let told = std::mem::take(&mut *stub.told.lock());
            (registered, told)
        }

        fn taken(&self) -> Option<Answer> {
            Some(Err(ServiceError::Refused(Refusal::NameTaken { user: self.user.clone() })))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_key_is_stored_before_the_cluster_is_told() {
        let scene = Scene::new();
        let (registered, told) = scene.register(Some(Ok(Reply::Registered))).await;
        let Registered { pair, file } = registered.unwrap();
        let key = pair.public();
        assert_eq!((told.len(), file), (1, scene.file()));
        let (told, stored) = &told[0];
        assert_eq!((*told, KeyPair::from_text(stored).unwrap().public()), (key, key));
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_taken_leaves_no_new_key_behind() {
        let scene = Scene::new();
        let (refused, told) = scene.register(scene.taken()).await;
        assert_eq!(refused.unwrap_err().to_string(), "user anna exists already");
        assert!(!told[0].1.is_empty() && !scene.file().exists());
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_was_there_before_is_used_and_never_taken_away() {
        let scene = Scene::new();
        let key = scene.home.key_or_new(&scene.user).unwrap().pair.public();
        let (refused, told) = scene.register(scene.taken()).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.ends_with("was there before, and is kept"), "{refused}");
        assert_eq!(told[0].0, key);
        assert!(scene.file().exists());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_certain_answer_the_next_try_uses_the_same_key() {
        let scene = Scene::new();
        let (lost, told) = scene.register(None).await;
        let lost = lost.unwrap_err().to_string();
        assert!(lost.contains("may have been done all the same") && lost.ends_with("another try"), "{lost}");
        let key = told[0].0;
        let (registered, told) = scene.register(Some(Ok(Reply::Registered))).await;
        assert_eq!((registered.unwrap().pair.public(), told[0].0), (key, key));
    }
}
