//! What a large directory costs, without disk and network: memory an item, to export it as a snapshot does, to take that
//! in again as a node does that starts, and to hash it.
//!
//!     cargo bench -p veil --bench snapshot -- --images 1000000

#![expect(clippy::unwrap_used, reason = "a bench, which ends where it cannot go on")]

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use clap::Parser;
use serde::Serialize;
use veil::{
    directory::{
        Action, Actor, Command, Directory, Export, GrantRecord, Hex, ImageId, ImageRecord, Import, Record,
        RequestId, Restore, UserName, UserRecord,
    },
    seal::Media,
    wire::codec,
};

/// Grants of an image.
const GRANTS: u32 = 3;
/// How much is exported and taken in at once, bytes.
const CHUNK: usize = 2 << 20;
/// A restore lasts a request's lifetime at most, so the clock goes on with each.
const STEP_MS: u64 = 1_000;

#[derive(Parser)]
#[command(about = "Measures export, import and memory of a large directory")]
struct Arguments {
    /// How many users; by default a tenth of the images.
    #[arg(long)]
    users: Option<u32>,
    /// How many images, with three grants each.
    #[arg(long, default_value_t = 300_000)]
    images: u32,
    /// What `cargo bench` says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

// As in the executables.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let Arguments { users, images, bench: _ } = Arguments::parse();
    let users = users.unwrap_or(images / 10).max(GRANTS * 20);
    let items = u64::from(users) + u64::from(images) * u64::from(1 + GRANTS);

    let before = memory();
    let (directory, took) = timed(|| brought_in(users, images));
    println!(
        "{users} users, {images} images of {GRANTS} grants: {items} items, brought in within {took:.1?}"
    );
    println!("memory as it grew: {} bytes an item", memory().saturating_sub(before) / items);

    let (chunks, took) = timed(|| {
        let mut chunks = Chunks::default();
        directory.export(&mut chunks).unwrap();
        chunks.0
    });
    let bytes: usize = chunks.iter().map(|(_, chunk)| chunk.len()).sum();
    println!("export: {:.0} MB, {took:.2?}, {}", bytes as f64 / 1e6, a_million(took, images));
    let (hash, took) = timed(|| directory.hash().unwrap());
    println!("hash: {took:.2?}, {}", a_million(took, images));
    drop(directory);

    let before = memory();
    let ((import, taken), took) = timed(|| {
        let mut import = Import::default();
        let ((), taken) =
            timed(|| chunks.iter().for_each(|(section, chunk)| import.take(*section, chunk).unwrap()));
        (import.finish(), taken)
    });
    println!("import: {took:.2?}, of which {taken:.2?} for the records, {}", a_million(took, images));
    println!("memory after the import: {} bytes an item", memory().saturating_sub(before) / items);
    assert_eq!(import.hash().unwrap(), hash);
}

fn timed<T>(what: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let result = what();
    (result, began.elapsed())
}

fn a_million(took: Duration, images: u32) -> String {
    format!("{:.2?} a million images", took * 1_000 / (images / 1_000).max(1))
}

/// Of this process, bytes, without what the allocator holds for later.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// Records of a section, up to so many bytes.
#[derive(Default)]
struct Chunks(Vec<(u8, Vec<u8>)>);

impl Export for Chunks {
    type Error = Infallible;

    fn record<T: Serialize>(&mut self, section: u8, record: &T) -> Result<(), Infallible> {
        if self.0.last().is_none_or(|(last, chunk)| *last != section || chunk.len() >= CHUNK) {
            self.0.push((section, Vec::with_capacity(CHUNK + (1 << 10))));
        }
        codec::encode_into(record, &mut self.0.last_mut().unwrap().1).unwrap();
        Ok(())
    }
}

/// A directory into which that was brought as `veil directory load` would, and as it would have grown: in the order of time.
fn brought_in(users: u32, images: u32) -> Directory {
    let mut directory = Directory::default();
    let mut at_ms = 1_700_000_000_000;
    let mut bring = |records: Vec<Record>| {
        at_ms += STEP_MS;
        let request = RequestId::new(at_ms, at_ms.into());
        // Encoded and decoded, as on the way through the log: names do not share their text.
        let action = Action::Restore(Restore { records });
        let command = Command { request, at_ms, actor: Actor::Operator, action };
        directory.apply(codec::decode(&codec::encode(&command).unwrap()).unwrap()).unwrap();
    };
    for first in (0..users).step_by(500) {
        bring((first..users.min(first + 500)).map(user_record).collect());
    }
    for first in (0..images).step_by(400) {
        bring((first..images.min(first + 400)).map(|image| image_record(image, users)).collect());
    }
    directory
}

fn user(number: u32) -> UserName {
    UserName::try_from(format!("user-{number:07}")).unwrap()
}

fn user_record(number: u32) -> Record {
    let key = Hex(blake3::hash(&number.to_be_bytes()).as_bytes().to_vec());
    Record::User(UserRecord {
        user: user(number),
        registered_ms: 0,
        key,
        password_hash: None,
        credentials: 0,
        blocked: Vec::new(),
    })
}

fn image_record(number: u32, users: u32) -> Record {
    // Spread over the users, and the ids over time, as in life.
    let owner = number.wrapping_mul(2_654_435_761) % users;
    let grant = |step| GrantRecord { to: user((owner + step * 17) % users), left: 5, used: 0 };
    let mut grants: Vec<_> = (1..=GRANTS).map(grant).collect();
    grants.sort_by(|a, b| a.to.cmp(&b.to));
    let digest = blake3::hash(&number.to_be_bytes());
    Record::Image(ImageRecord {
        image: ImageId((u128::from(1_700_000_000_000 + u64::from(number)) << 80) | u128::from(number)),
        owner: user(owner),
        owner_key: Hex(blake3::hash(&owner.to_be_bytes()).as_bytes().to_vec()),
        title: String::new(),
        description: String::new(),
        media: Media::Jpeg,
        length: 46_000,
        digest: Hex(digest.as_bytes().to_vec()),
        wrapped_under: 1,
        wrapped_key: Hex([&digest.as_bytes()[..], &digest.as_bytes()[..28]].concat()),
        revision: 0,
        grants,
        group_grants: Vec::new(),
        views: Vec::new(),
        requests: Vec::new(),
    })
}
