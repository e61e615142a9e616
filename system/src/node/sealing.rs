//! The encryption service: an original comes in, a sealed image goes out, and the directory knows it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::Semaphore;

use super::{
    environment::Entropy,
    forward::Forwarder,
    pool::{Pool, PoolError},
};
use crate::{
    consensus::ProposeError,
    directory::{Action, Effect, ImageId, MAX_GRANTS, RecordImage, Refusal, RequestId, UserName},
    seal::{ContentKey, Original, SealError, seal_image},
    stego::Cover,
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
            return Err(ServiceError::Refused(Refusal::TooMuch {
                field: "number of grants".to_owned(),
                value,
                limit,
            }));
        }
        let image = ImageId(request.0);
        let key = self.entropy.draw(ContentKey::generate);
        let (png, digest) = self.seal_under(&key, image, &owner, &grants, &original).await?;
        let record = RecordImage {
            owner: owner.clone(),
            key: key.clone(),
            media,
            length: original.len() as u64,
            digest,
            grants: grants.clone(),
        };
        let proposed = self.forwarder.propose(request, Action::RecordImage(record), RECORD_PATIENCE).await;
        let on_record = match proposed.map_err(not_recorded)?.map_err(ServiceError::Refused)? {
            Effect::Recorded { key } => key,
            other => return Err(ServiceError::Internal(format!("unexpected effect {other:?}"))),
        };
        if on_record == key {
            return Ok(Reply::Sealed { image, png });
        }
        let (png, _) = self.seal_under(&on_record, image, &owner, &grants, &original).await?;
        Ok(Reply::Sealed { image, png })
    }

    async fn seal_under(
        &self,
        key: &ContentKey,
        image: ImageId,
        owner: &UserName,
        grants: &BTreeMap<UserName, u32>,
        original: &Bytes,
    ) -> Result<(Bytes, [u8; 32]), ServiceError> {
        let (key, owner, cover) = (key.clone(), owner.clone(), self.cover.clone());
        let (grants, original) = (grants.clone().into_iter().collect(), original.clone());
        let durations = self.durations.clone();
        let work = move || {
            let began = Instant::now();
            let digest = blake3::hash(&original).into();
            let sealed = seal_image(&original, &key, image, &owner, grants, 0, &cover)?;
            durations.observe(began.elapsed().as_secs_f64());
            Ok((Bytes::from(sealed.png), digest))
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

fn refused(error: SealError) -> ServiceError {
    ServiceError::BadOriginal(error.to_string())
}

/// The image may be recorded or not: the client asks again under the same id.
fn not_recorded(error: ProposeError) -> ServiceError {
    match error {
        ProposeError::Busy { limit } => {
            ServiceError::Busy { what: "proposals".to_owned(), waiting: limit, limit }
        }
        other => ServiceError::Unsettled(other.to_string()),
    }
}
