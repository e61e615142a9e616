//! The encryption service: an original comes in, a sealed image goes out, and the directory knows it.

use std::{
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
    directory::{
        Action, Actor, Effect, ImageId, MAX_GRANTS, MAX_GROUP_GRANTS, RecordImage, Refusal, RequestId,
        check_title,
    },
    identity::{ClusterKeys, PublicKey, WrapError},
    seal::{BodyHash, ContentKey, Media, Original, Scratch, SealError, SignedBlock, Subject, seal_image},
    stego::{Cover, StegoError},
    wire::client::{NewImage, Reply, ServiceError},
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
    /// is told the key on record and gives the same sealed image but for the time at which its permission block was issued.
    pub(super) async fn seal(
        &self,
        request: RequestId,
        actor: Actor,
        new: NewImage,
        original: Bytes,
    ) -> Result<Reply, ServiceError> {
        let media = Original::check(&original).map_err(refused)?.media;
        let Ok(_place) = self.places.try_acquire() else {
            let (waiting, limit) = (self.limit as u64, self.limit as u64);
            return Err(ServiceError::Busy { what: "sealing tasks".to_owned(), waiting, limit });
        };
        check(&new).map_err(ServiceError::Declined)?;
        let task = Arc::new(Task { image: ImageId(request.0), media, new, original });
        let key = self.entropy.draw(ContentKey::generate);
        let (known, mut under) = self.consensus.look(|directory, _| {
            (directory.user(&task.new.owner).map(|user| user.key), directory.wrapping_key())
        });
        // Of an owner who registered a moment ago this node may not know yet; the directory tells.
        let mut owner_key = known.unwrap_or(PublicKey::from_bytes([0; 32]));
        let internal = |error: WrapError| ServiceError::Internal(error.to_string());
        let mut sealed = self.seal_under(&key, owner_key, &task).await?;
        let (wrapped, on_record) = loop {
            let nonce = self.entropy.draw(|rng| rng.random());
            let wrapped = self.keys.get().ring().wrap(under, task.image, &key, nonce).map_err(internal)?;
            let NewImage { owner, grants, group_grants, title } = task.new.clone();
            let record = RecordImage {
                owner,
                owner_key,
                key: wrapped.clone(),
                media,
                length: task.original.len() as u64,
                digest: sealed.digest,
                body: sealed.body,
                grants,
                group_grants,
                title,
            };
            let action = Action::RecordImage(record);
            let proposed = self.forwarder.propose(request, actor, action, RECORD_PATIENCE).await;
            match proposed.map_err(service::not_taken)? {
                Ok(Effect::Recorded { key, owner_key }) => break (wrapped, (key, owner_key)),
                // Another key came into use meanwhile, which is always a higher one: this ends.
                Err(Refusal::OlderKey { in_use }) if in_use > under => under = in_use,
                // The owner has another key than this node knew. The body is bound to it, and must be what is recorded.
                Err(Refusal::OtherOwnerKey { in_use }) if in_use != owner_key => {
                    owner_key = in_use;
                    drop(sealed.png);
                    sealed = self.seal_under(&key, owner_key, &task).await?;
                }
                Err(refusal) => return Err(service::refused(refusal)),
                Ok(_) => return Err(done_and_not_told(&"it has the answer to another change")),
            }
        };
        let image = task.image;
        if on_record == (wrapped, owner_key) {
            return Ok(Reply::Sealed { image, png: sealed.png });
        }
        drop(sealed.png);
        let (wrapped, owner_key) = on_record;
        let key =
            self.keys.get().ring().unwrap(image, &wrapped).map_err(|error| done_and_not_told(&error))?;
        let sealed_again = self.seal_under(&key, owner_key, &task).await;
        let sealed = sealed_again.map_err(|error| done_and_not_told(&error))?;
        Ok(Reply::Sealed { image, png: sealed.png })
    }

    async fn seal_under(
        &self,
        key: &ContentKey,
        owner_key: PublicKey,
        task: &Arc<Task>,
    ) -> Result<Sealed, ServiceError> {
        let (key, task, issued_ms) = (key.clone(), task.clone(), self.consensus.time().now_ms);
        let (cover, cluster, buffers) = (self.cover.clone(), self.keys.get(), self.buffers.clone());
        let durations = self.durations.clone();
        let work = move || {
            let began = Instant::now();
            let (mut scratch, mut png) = buffers.take();
            let (block, digest, body) = task.encrypt(&key, owner_key, issued_ms, &cluster, &mut scratch)?;
            seal_image(&block, &cover, &mut scratch, &mut png)?;
            durations.observe(began.elapsed().as_secs_f64());
            Ok(Sealed { png: buffers.lend(scratch, png), digest, body })
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

/// Refuses what the directory would refuse however it was sealed.
fn check(new: &NewImage) -> Result<(), Refusal> {
    let too_much = |field: &str, value: usize, limit: usize| Refusal::TooMuch {
        field: field.to_owned(),
        value: value as u64,
        limit: limit as u64,
    };
    let (grants, groups) = (new.grants.len(), new.group_grants.len());
    if grants > MAX_GRANTS {
        return Err(too_much("number of grants", grants, MAX_GRANTS));
    }
    if groups > MAX_GROUP_GRANTS {
        return Err(too_much("number of groups that the image is granted to", groups, MAX_GROUP_GRANTS));
    }
    check_title(&new.title)
}

/// An image to be sealed.
struct Task {
    image: ImageId,
    media: Media,
    new: NewImage,
    original: Bytes,
}

/// A sealed image, and what is recorded of it.
struct Sealed {
    png: Bytes,
    /// BLAKE3 of the original.
    digest: [u8; 32],
    body: BodyHash,
}

impl Task {
    /// Encrypts the original into `scratch`, and gives the first permission block, the original's digest and the body's.
    fn encrypt(
        &self,
        key: &ContentKey,
        owner_key: PublicKey,
        issued_ms: u64,
        cluster: &ClusterKeys,
        scratch: &mut Scratch,
    ) -> Result<(SignedBlock, [u8; 32], BodyHash), SealError> {
        let Self { image, media, new: NewImage { ref owner, ref grants, .. }, ref original } = *self;
        let (digest, original_len): ([u8; 32], _) = (blake3::hash(original).into(), original.len() as u64);
        let (digest_of, body) = (&digest, None);
        let mut subject =
            Subject { image, owner, owner_key, media, original_len, digest: digest_of, key, body };
        let body = subject.encrypt(original, scratch)?;
        subject.body = Some(body);
        let grants = grants.iter().map(|(viewer, views)| (viewer, *views));
        Ok((subject.block(grants, 0, issued_ms, cluster)?, digest, body))
    }
}

fn refused(error: SealError) -> ServiceError {
    match error {
        // Not the photo's fault: another worker may do better.
        SealError::Picture(StegoError::NotVerified(_)) => ServiceError::Internal(error.to_string()),
        error => ServiceError::BadOriginal(error.to_string()),
    }
}
