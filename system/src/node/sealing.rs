//! The encryption service: an original comes in, a sealed image goes out, and the directory knows it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use prometheus_client::metrics::histogram::Histogram;
use rand::RngExt;
use tokio::sync::Semaphore;

use super::{
    buffers::Buffers,
    environment::Entropy,
    forward::Forwarder,
    keys::SharedKeys,
    pool::{Pool, PoolError},
    service::{self, done_and_not_told},
};
use crate::{
    consensus::Consensus,
    directory::{Action, Actor, Effect, ImageId, MAX_GRANTS, RecordImage, Refusal, RequestId, UserName},
    identity::{ClusterKeys, PublicKey, WrapError},
    seal::{ContentKey, Media, Original, SealError, SignedBlock, Subject, seal_image},
    stego::{Cover, StegoError},
    wire::client::{Reply, ServiceError},
};

/// How long a sealed image may wait for the directory, elections included.
const RECORD_PATIENCE: Duration = Duration::from_secs(10);

/// Seals images on this node.
pub(super) struct Sealing {
    pub(super) pool: Arc<Pool>,
    /// One for each image at work, from its arrival until it is recorded and answered: each holds the
    /// original and the sealed image in memory.
    pub(super) places: Semaphore,
    pub(super) limit: usize,
    pub(super) cover: Arc<Cover>,
    pub(super) buffers: Arc<Buffers>,
    pub(super) keys: SharedKeys,
    pub(super) consensus: Consensus,
    pub(super) entropy: Arc<Entropy>,
    pub(super) forwarder: Forwarder,
    /// What the sealing threads took.
    pub(super) durations: Histogram,
}

impl Sealing {
    /// Seals `original` and records it under the id of the request. A retry, here or on another node,
    /// is told the key on record and gives an image that opens with it.
    pub(super) async fn seal(
        &self,
        request: RequestId,
        actor: Actor,
        owner: UserName,
        grants: BTreeMap<UserName, u32>,
        original: Bytes,
    ) -> Result<Reply, ServiceError> {
        let media = Original::check(&original).map_err(refused)?.media;
        let Ok(_place) = self.places.try_acquire() else {
            let (waiting, limit) = (self.limit as u64, self.limit as u64);
            return Err(ServiceError::Busy { what: "sealing tasks".to_owned(), waiting, limit });
        };
        if grants.len() > MAX_GRANTS {
            let (value, limit) = (grants.len() as u64, MAX_GRANTS as u64);
            return Err(ServiceError::Declined(Refusal::TooMuch {
                field: "number of grants".to_owned(),
                value,
                limit,
            }));
        }
        let task = Arc::new(Task { image: ImageId(request.0), owner, media, grants, original });
        let key = self.entropy.draw(ContentKey::generate);
        // Of an owner who registered a moment ago this node may not know yet; the record tells.
        let (known, mut under) = self.consensus.look(|directory, _| {
            (directory.user(&task.owner).map(|user| user.key), directory.wrapping_key())
        });
        let owner_key = known.unwrap_or(PublicKey::from_bytes([0; 32]));
        let internal = |error: WrapError| ServiceError::Internal(error.to_string());
        let (png, digest) = self.seal_under(&key, owner_key, &task).await?;
        let (wrapped, on_record) = loop {
            let nonce = self.entropy.draw(|rng| rng.random());
            let wrapped = self.keys.get().ring().wrap(under, task.image, &key, nonce).map_err(internal)?;
            let record = RecordImage {
                owner: task.owner.clone(),
                key: wrapped.clone(),
                media,
                length: task.original.len() as u64,
                digest,
                grants: task.grants.clone(),
            };
            let action = Action::RecordImage(record);
            let proposed = self.forwarder.propose(request, actor, action, RECORD_PATIENCE).await;
            match proposed.map_err(service::not_taken)? {
                Ok(Effect::Recorded { key, owner_key }) => break (wrapped, (key, owner_key)),
                // Another key came into use meanwhile, which is always a higher one: this ends.
                Err(Refusal::OlderKey { in_use }) if in_use > under => under = in_use,
                Err(refusal) => return Err(service::refused(refusal)),
                Ok(_) => return Err(done_and_not_told(&"it has the answer to another change")),
            }
        };
        let image = task.image;
        if on_record == (wrapped, owner_key) {
            return Ok(Reply::Sealed { image, png });
        }
        drop(png);
        let (wrapped, owner_key) = on_record;
        let key =
            self.keys.get().ring().unwrap(image, &wrapped).map_err(|error| done_and_not_told(&error))?;
        let sealed_again = self.seal_under(&key, owner_key, &task).await;
        let (png, _) = sealed_again.map_err(|error| done_and_not_told(&error))?;
        Ok(Reply::Sealed { image, png })
    }

    async fn seal_under(
        &self,
        key: &ContentKey,
        owner_key: PublicKey,
        task: &Arc<Task>,
    ) -> Result<(Bytes, [u8; 32]), ServiceError> {
        let (key, task, issued_ms) = (key.clone(), task.clone(), self.consensus.time().now_ms);
        let (cover, cluster, buffers) = (self.cover.clone(), self.keys.get(), self.buffers.clone());
        let durations = self.durations.clone();
        let work = move || {
            let began = Instant::now();
            let digest = blake3::hash(&task.original).into();
            let block = task.block(&key, owner_key, &digest, issued_ms, &cluster)?;
            let (mut scratch, mut png) = buffers.take();
            seal_image(&task.original, &key, &block, &cover, &mut scratch, &mut png)?;
            durations.observe(began.elapsed().as_secs_f64());
            Ok((buffers.lend(scratch, png), digest))
        };
        match self.pool.run(work).await {
            Ok(sealed) => sealed.map_err(refused),
            Err(PoolError::Full(full)) => Err(ServiceError::Busy {
                what: "sealing tasks".to_owned(),
                waiting: full.waiting as u64,
                limit: full.limit as u64,
            }),
            Err(error @ PoolError::Lost) => Err(ServiceError::Internal(error.to_string())),
        }
    }
}

/// An image to be sealed.
struct Task {
    image: ImageId,
    owner: UserName,
    media: Media,
    grants: BTreeMap<UserName, u32>,
    original: Bytes,
}

impl Task {
    /// Its first permission block.
    fn block(
        &self,
        key: &ContentKey,
        owner_key: PublicKey,
        digest: &[u8; 32],
        issued_ms: u64,
        cluster: &ClusterKeys,
    ) -> Result<SignedBlock, SealError> {
        let Self { image, ref owner, media, ref grants, ref original } = *self;
        let original_len = original.len() as u64;
        let subject = Subject { image, owner, owner_key, media, original_len, digest, key };
        subject.block(grants.iter().map(|(viewer, views)| (viewer, *views)), 0, issued_ms, cluster)
    }
}

fn refused(error: SealError) -> ServiceError {
    match error {
        // Not the photo's fault: another worker may do better.
        SealError::Picture(StegoError::NotVerified(_)) => ServiceError::Internal(error.to_string()),
        error => ServiceError::BadOriginal(error.to_string()),
    }
}
