//! The sealing pipeline on one core, stage by stage and as a whole, beside the floor (`memcpy`) and beside what
//! one would write first: the `image` crate at its defaults and a loop over bits.
//!
//! ```text
//! cargo bench -p veil --bench seal
//! ```

use std::{hint::black_box, io::Cursor, path::Path, time::Duration};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use image::{DynamicImage, ImageFormat, RgbImage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use veil::{
    directory::{ImageId, UserName},
    identity::{ClusterKeys, PublicKey},
    peer::{Reading, SealedCopy},
    seal::{ContentKey, Original, Scratch, SealedFile, SignedBlock, Subject, seal_image},
    stego::{
        Cover, Raster,
        layout::{self, Front, TAIL_LEN},
        lsb::{self, Density},
        png,
    },
};

/// The photo of the figures: 46 KB.
const PHOTO: usize = 46_000;
/// Channels of a row of the standard cover.
const ROW: usize = 2_400;

fn random() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

/// A JPEG header, and behind it bytes as random as a photo's.
fn original(len: usize) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    DynamicImage::new_rgb8(640, 480).write_to(&mut file, ImageFormat::Jpeg).expect("a JPEG in memory");
    let mut file = file.into_inner();
    file.truncate(700);
    file.resize(len, 0);
    random().fill_bytes(&mut file[700.min(len)..]);
    file
}

/// A picture as noisy as a photo, 800 x 600.
fn photo_raster() -> Raster {
    let mut random = random();
    let mut noise = [0; 600 * ROW];
    random.fill_bytes(&mut noise);
    let channels = noise.iter().enumerate().map(|(i, noise)| {
        let (x, y) = ((i % ROW) as f32 / 300.0, (i / ROW) as f32 / 90.0);
        (120.0 + 60.0 * x.sin() + 40.0 * (y + x).cos()) as u8 + (noise & 7)
    });
    Raster::new(800, 600, channels.collect()).expect("the size is right")
}

fn png_of(raster: &Raster) -> Vec<u8> {
    let picture = RgbImage::from_raw(raster.width(), raster.height(), raster.channels().to_vec());
    let mut file = Cursor::new(Vec::new());
    picture.expect("the size is right").write_to(&mut file, ImageFormat::Png).expect("a PNG in memory");
    file.into_inner()
}

/// What a worker has at hand.
struct Worker {
    cluster: ClusterKeys,
    owner: UserName,
    viewer: UserName,
    random: ChaCha20Rng,
    scratch: Scratch,
    png: Vec<u8>,
}

impl Worker {
    fn new() -> Self {
        Self {
            cluster: ClusterKeys::from_secret([7; 32]),
            owner: "anna".parse().expect("a good name"),
            viewer: "ben".parse().expect("a good name"),
            random: random(),
            scratch: Scratch::default(),
            png: Vec::new(),
        }
    }

    /// The permission block of an image, in a revision.
    fn block(&mut self, original: &[u8], key: &ContentKey, revision: u64) -> SignedBlock {
        let digest = blake3::hash(original);
        let mut subject = Subject {
            image: ImageId(7),
            owner: &self.owner,
            owner_key: PublicKey::from_bytes([3; 32]),
            media: Original::check(original).expect("a JPEG").media,
            original_len: original.len() as u64,
            digest: digest.as_bytes(),
            key,
            body: None,
        };
        subject.body = Some(subject.encrypt(original, &mut self.scratch).expect("it is not too long"));
        subject.block([(&self.viewer, 3)], revision, 1_700_000_000_000, &self.cluster).expect("a block")
    }

    /// All that a worker does for an image: check, key, digest, signed block, AEAD, embed, PNG, read back.
    fn seal(&mut self, original: &[u8], cover: &Cover) -> ContentKey {
        let key = ContentKey::generate(&mut self.random);
        let block = self.block(original, &key, 0);
        seal_image(&block, cover, &mut self.scratch, &mut self.png).expect("it fits");
        key
    }
}

/// One bit after the other, as the definition says.
fn embed_bits(channels: &mut [u8], bytes: &[u8]) {
    for (i, channel) in channels.iter_mut().take(bytes.len() * 8).enumerate() {
        *channel = *channel & !1 | bytes[i / 8] >> (i % 8) & 1;
    }
}

fn extract_bits(channels: &[u8], bytes: &mut [u8]) {
    for (i, channel) in channels.iter().take(bytes.len() * 8).enumerate() {
        bytes[i / 8] |= (channel & 1) << (i % 8);
    }
}

fn kernels(c: &mut Criterion) {
    let bytes = original(PHOTO);
    let mut channels = photo_raster().channels().to_vec();
    let mut group = c.benchmark_group("kernel, 46 KB");
    group.throughput(Throughput::Bytes(PHOTO as u64));
    for density in Density::ALL {
        let row = ROW / density.channels_per_byte();
        group.bench_function(format!("embed, {} bits", density.bits()), |b| {
            b.iter(|| {
                for (channels, bytes) in channels.chunks_mut(ROW).zip(bytes.chunks(row)) {
                    lsb::embed(density, channels, black_box(bytes)).expect("it fits");
                }
            });
        });
        let mut back = vec![0; PHOTO];
        group.bench_function(format!("extract, {} bits", density.bits()), |b| {
            b.iter(|| {
                for (channels, bytes) in channels.chunks(ROW).zip(back.chunks_mut(row)) {
                    lsb::extract(density, black_box(channels), bytes).expect("it fits");
                }
            });
        });
    }
    group.bench_function("bit loop: embed, 1 bit", |b| {
        b.iter(|| embed_bits(&mut channels, black_box(&bytes)));
    });
    let mut back = vec![0; PHOTO];
    group.bench_function("bit loop: extract, 1 bit", |b| {
        b.iter(|| extract_bits(black_box(&channels), &mut back));
    });
    let mut copy = vec![0; PHOTO * 8];
    group.bench_function("memcpy of the channels, 1 bit", |b| {
        b.iter(|| copy.copy_from_slice(black_box(&channels[..PHOTO * 8])));
    });
    group.finish();
}

fn aead(c: &mut Criterion) {
    let mut group = c.benchmark_group("AES-256-GCM");
    for len in [PHOTO, 4_000_000] {
        let mut bytes = original(len);
        group.throughput(Throughput::Bytes(len as u64));
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("32 bytes"));
        group.bench_function(format!("encrypt {len} B"), |b| {
            b.iter(|| {
                let nonce = Nonce::assume_unique_for_key([0; 12]);
                key.seal_in_place_separate_tag(nonce, Aad::empty(), black_box(&mut bytes))
                    .expect("it is short")
            });
        });
        let mut copy = vec![0; len];
        group.bench_function(format!("memcpy {len} B"), |b| {
            b.iter(|| copy.copy_from_slice(black_box(&bytes)));
        });
    }
    group.finish();
}

fn pictures(c: &mut Criterion) {
    let cover = photo_raster();
    let file = png_of(&cover);
    let channels = cover.channels().len();
    let mut group = c.benchmark_group("picture, 800 x 600");
    group.throughput(Throughput::Bytes(channels as u64));
    group.bench_function("decode PNG", |b| b.iter(|| png::decode(black_box(&file)).expect("a PNG")));
    let cover = Cover::from(cover);
    let empty = layout::Plan::new(&cover, 0).expect("it fits");
    let payload = layout::Payload {
        version: layout::VERSION,
        kind: layout::Kind::SealedImage,
        block: b"block",
        body: b"",
    };
    let (mut back, mut out) = (Vec::new(), Vec::new());
    group.bench_function("encode PNG in bands", |b| {
        b.iter(|| layout::write(black_box(&cover), &empty, payload, &mut back, &mut out).expect("it fits"));
    });
    group.bench_function("image crate: decode", |b| {
        b.iter(|| image::load_from_memory(black_box(&file)).expect("a PNG"));
    });
    let picture = image::load_from_memory(&file).expect("a PNG");
    group.bench_function("image crate: encode", |b| {
        b.iter(|| picture.write_to(&mut Cursor::new(Vec::new()), ImageFormat::Png).expect("a PNG in memory"));
    });
    let mut copy = vec![0; channels];
    group.bench_function("memcpy", |b| b.iter(|| copy.copy_from_slice(black_box(cover.raster().channels()))));
    group.finish();
}

fn seal(c: &mut Criterion) {
    let mut worker = Worker::new();
    let standard = Cover::standard();
    let mut group = c.benchmark_group("seal");
    for len in [1_000, PHOTO, 400_000, 4_000_000, 16_000_000] {
        let original = original(len);
        group.throughput(Throughput::Bytes(len as u64));
        group.sample_size(if len > 1_000_000 { 20 } else { 100 });
        worker.seal(&original, &standard);
        let read = SealedFile::read(&worker.png).expect("it was just written");
        println!(
            "{len} B: a file of {} B, {} x {} pixels, {} bits a channel",
            worker.png.len(),
            read.geometry.width(),
            read.geometry.height(),
            read.header.density.bits(),
        );
        group.bench_function(format!("{len} B in the standard cover"), |b| {
            b.iter(|| worker.seal(black_box(&original), &standard));
        });
    }
    let original = original(PHOTO);
    group.sample_size(100);
    group.throughput(Throughput::Bytes(PHOTO as u64));
    let own = png_of(&photo_raster());
    group.bench_function("46000 B in a user's own cover, from its file", |b| {
        b.iter(|| {
            let cover = Cover::decode(black_box(&own)).expect("a PNG");
            worker.seal(&original, &cover)
        });
    });
    let standard = png_of(standard.raster());
    group.bench_function("image crate and bit loop: 46000 B", |b| {
        b.iter(|| {
            let key = ContentKey::generate(&mut random());
            let mut picture = image::load_from_memory(black_box(&standard)).expect("a PNG").into_rgb8();
            let mut body = original.clone();
            let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_bytes()).expect("32 bytes"));
            let nonce = Nonce::assume_unique_for_key([0; 12]);
            cipher.seal_in_place_append_tag(nonce, Aad::empty(), &mut body).expect("it is short");
            embed_bits(&mut picture, &body);
            let mut file = Cursor::new(Vec::new());
            picture.write_to(&mut file, ImageFormat::Png).expect("a PNG in memory");
            file
        });
    });
    group.finish();
}

fn open(c: &mut Criterion) {
    let mut worker = Worker::new();
    let standard = Cover::standard();
    let mut group = c.benchmark_group("open");
    for len in [1_000, PHOTO, 400_000, 4_000_000] {
        let original = original(len);
        let key = worker.seal(&original, &standard);
        let file = worker.png.clone();
        group.throughput(Throughput::Bytes(len as u64));
        group.sample_size(if len > 1_000_000 { 20 } else { 100 });
        let open = |file: &[u8]| SealedFile::read(file).and_then(|file| file.open(&key)).expect("it opens");
        assert_eq!(open(&file), original);
        group.bench_function(format!("{len} B"), |b| b.iter(|| open(black_box(&file))));
    }
    group.sample_size(100);
    group.throughput(Throughput::Bytes(PHOTO as u64));
    worker.seal(&original(PHOTO), &standard);
    group.bench_function("46000 B, signature verified", |b| {
        b.iter(|| {
            let file = SealedFile::read(black_box(&worker.png)).expect("it reads");
            file.block.verify(&worker.cluster.public()).map(|block| block.revision).expect("it verifies")
        });
    });
    let mut picture = image::load_from_memory(&png_of(standard.raster())).expect("a PNG").into_rgb8();
    embed_bits(&mut picture, &original(PHOTO));
    let raster = Raster::new(800, 600, picture.into_raw()).expect("the size is right");
    let file = png_of(&raster);
    group.bench_function("image crate and bit loop: 46000 B, no cipher", |b| {
        b.iter(|| {
            let picture = image::load_from_memory(black_box(&file)).expect("a PNG").into_rgb8();
            let mut body = vec![0; PHOTO];
            extract_bits(&picture, &mut body);
            body
        });
    });
    group.finish();
}

/// Reads the permission block of a file in memory and puts the next one in its place.
fn rewrite(file: &mut [u8], next: &SignedBlock) {
    let len = file.len();
    let front = Front::read(file, &file[len - TAIL_LEN..]).expect("it was just written");
    SignedBlock::decode(front.block()).expect("a block");
    for patch in front.replace(file, len as u64, next.as_bytes()).expect("it fits") {
        let at = patch.at as usize;
        file[at..at + patch.bytes.len()].copy_from_slice(&patch.bytes);
    }
}

fn rewrites(c: &mut Criterion) {
    let mut worker = Worker::new();
    let standard = Cover::standard();
    let mut group = c.benchmark_group("permission block");
    let folder = tempfile::tempdir().expect("a folder");
    for len in [PHOTO, 16_000_000] {
        let original = original(len);
        let key = worker.seal(&original, &standard);
        let next = worker.block(&original, &key, 1);
        let mut file = worker.png.clone();
        let megabytes = file.len() as f64 / 1e6;
        group.bench_function(format!("read and rewrite in memory, {megabytes:.1} MB"), |b| {
            b.iter(|| rewrite(black_box(&mut file), &next));
        });
        let path = folder.path().join("copy.png");
        std::fs::write(&path, &file).expect("there is room");
        let patience = Duration::ZERO;
        let read =
            |path: &Path| Reading::open(path, patience).and_then(|copy| copy.block()).expect("it reads");
        group.bench_function(format!("read from disk, {megabytes:.1} MB"), |b| {
            b.iter(|| read(black_box(&path)));
        });
        group.sample_size(20);
        group.bench_function(format!("rewrite on disk with its fsync, {megabytes:.1} MB"), |b| {
            b.iter_batched(
                || SealedCopy::open(&path, patience).expect("it opens"),
                |mut copy| copy.replace_block(&next).expect("it is written"),
                BatchSize::PerIteration,
            );
        });
        group.sample_size(100);
    }
    group.finish();
}

criterion_group!(benches, kernels, aead, pictures, seal, open, rewrites);
criterion_main!(benches);
