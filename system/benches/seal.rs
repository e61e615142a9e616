//! Times of the sealing path on one core, with a photo of 46 KB in the standard cover.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use veil::{
    directory::{ImageId, UserName},
    seal::{ContentKey, PermissionBlock, SealedFile, rewrite_block, seal_image},
    stego::{
        Cover,
        lsb::{self, Density},
        png,
    },
};

const ORIGINAL_LEN: usize = 46_000;

/// A JPEG header, and behind it bytes as random as a photo's.
fn original(random: &mut ChaCha20Rng) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(640, 480)
        .write_to(&mut file, image::ImageFormat::Jpeg)
        .expect("a JPEG can be written to memory");
    let mut file = file.into_inner();
    let header = file.len().min(700);
    file.resize(ORIGINAL_LEN, 0);
    random.fill_bytes(&mut file[header..]);
    file
}

fn benches(c: &mut Criterion) {
    let mut random = ChaCha20Rng::seed_from_u64(1);
    let original = original(&mut random);
    let key = ContentKey::generate(&mut random);
    let cover = Cover::standard();
    let owner: UserName = "anna".parse().expect("a good name");
    let viewer: UserName = "bo".parse().expect("a good name");
    let seal = || {
        let grants = vec![(viewer.clone(), 3)];
        seal_image(black_box(&original), &key, ImageId(7), &owner, grants, 1, &cover).expect("it fits")
    };
    let sealed = seal();
    println!("a sealed image has {} bytes", sealed.png.len());

    let mut group = c.benchmark_group("original");
    group.throughput(Throughput::Bytes(ORIGINAL_LEN as u64));
    group.bench_function("seal", |b| b.iter(seal));
    group.bench_function("open", |b| {
        b.iter(|| SealedFile::read(black_box(&sealed.png)).and_then(|file| file.open(&key)));
    });
    let next = PermissionBlock { grants: vec![(viewer.clone(), 2)], revision: 2, ..sealed.block.clone() };
    group.bench_function("rewrite_block", |b| {
        b.iter(|| rewrite_block(black_box(&sealed.png), &next));
    });
    let mut channels = cover.raster().channels().to_vec();
    for density in Density::ALL {
        group.bench_function(format!("embed/{}", density.bits()), |b| {
            b.iter(|| lsb::embed(density, black_box(&mut channels), &original));
        });
    }
    let mut copy = vec![0; ORIGINAL_LEN];
    group.bench_function("memcpy", |b| {
        b.iter(|| copy.copy_from_slice(black_box(&original)));
    });
    group.finish();

    // What every seal pays for the whole cover, whatever is hidden in it.
    let mut group = c.benchmark_group("cover");
    group.throughput(Throughput::Bytes(channels.len() as u64));
    group.bench_function("png::encode", |b| {
        b.iter(|| png::encode(black_box(cover.raster())));
    });
    group.bench_function("png::decode", |b| b.iter(|| png::decode(black_box(&sealed.png))));
    let full = vec![0x5a; channels.len() / 8];
    group.bench_function("embed/1", |b| {
        b.iter(|| lsb::embed(Density::One, black_box(&mut channels), &full));
    });
    let mut copy = vec![0; channels.len()];
    group.bench_function("memcpy", |b| {
        b.iter(|| copy.copy_from_slice(black_box(&channels)));
    });
    group.finish();
}

criterion_group!(seal, benches);
criterion_main!(seal);
