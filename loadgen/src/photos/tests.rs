use std::fs;

use image::ImageFormat;
use tempfile::tempdir;

use super::*;

#[test]
fn the_built_in_set_is_made_by_its_seed() {
    let (set, again, other) = (Photos::built_in(1), Photos::built_in(1), Photos::built_in(2));
    for ((a, b), c) in set.all().iter().zip(again.all()).zip(other.all()) {
        assert_eq!(a.bytes, b.bytes, "{}", a.name);
        assert_ne!(a.bytes, c.bytes, "{}", a.name);
        assert_eq!(a.digest, *blake3::hash(&a.bytes).as_bytes());
    }
}

/// Of the pixels, not of the files: those change with the encoders.
#[test]
fn golden_pixels() {
    use rand::SeedableRng;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(42);
    let pixels = scene::Scene::draw(&mut rng, 0.5).render(64, 48);
    let digest = blake3::hash(pixels.as_raw()).to_hex();
    assert_eq!(digest.as_str(), "436b2c3821c0b1f9b6dfda7fda69e9b7dfa50b47f54c9c90ecac1405223c4acd");
}

#[test]
fn the_built_in_set_has_the_sizes_of_photos() {
    for seed in [1, 42] {
        let set = Photos::built_in(seed);
        let mut sizes: Vec<_> = set.all().iter().map(|photo| photo.bytes.len()).collect();
        sizes.sort_unstable();
        assert!(sizes[0] >= 6_000 && sizes[11] <= 400_000, "{sizes:?}");
        let median = (sizes[5] + sizes[6]) / 2;
        assert!((38_000..54_000).contains(&median), "{sizes:?}: {median}");
    }
}

#[test]
fn the_built_in_set_is_pictures() {
    let set = Photos::built_in(3);
    let mut pngs = 0;
    for photo in set.all() {
        let format = image::guess_format(&photo.bytes).unwrap();
        let picture = image::load_from_memory_with_format(&photo.bytes, format).unwrap();
        assert!((320..=1600).contains(&picture.width()), "{}", photo.name);
        pngs += usize::from(format == ImageFormat::Png);
    }
    assert_eq!((set.all().len(), pngs), (12, 2));
}

#[test]
fn every_photo_is_picked_and_none_beyond_the_last() {
    let set = Photos::built_in(1);
    assert_eq!(set.pick(0).name, "built-in-1.jpg");
    assert_eq!(set.pick(u64::MAX).name, "built-in-12.png");
    let twelfth = u64::MAX / 12;
    for (number, photo) in set.all().iter().enumerate() {
        assert_eq!(set.pick(twelfth * number as u64 + 100).name, photo.name);
    }
}

#[test]
fn a_folder_of_photos_is_read_by_name() {
    let folder = tempdir().unwrap();
    let set = Photos::built_in(1);
    fs::write(folder.path().join("b.png"), &set.all()[10].bytes).unwrap();
    fs::write(folder.path().join("a.jpg"), &set.all()[0].bytes).unwrap();
    let read = Photos::from_folder(folder.path()).unwrap();
    let names: Vec<_> = read.all().iter().map(|photo| &*photo.name).collect();
    assert_eq!(names, ["a.jpg", "b.png"]);
    assert_eq!(read.all()[1].digest, set.all()[10].digest);
}

#[test]
fn what_is_not_a_photo_is_named() {
    let folder = tempdir().unwrap();
    let say = || Photos::from_folder(folder.path()).unwrap_err().to_string();
    let shown = folder.path().display();
    assert_eq!(say(), format!("{shown}: no photos in it"));

    let path = folder.path().join("x");
    let rest = "a folder of photos holds PNG and JPEG files and nothing else";
    fs::create_dir(&path).unwrap();
    assert_eq!(say(), format!("{shown}/x: a folder; {rest}"));
    fs::remove_dir(&path).unwrap();
    for (bytes, reason) in
        [(&b""[..], "not a picture"), (b"hello", "not a picture"), (b"GIF89a......", "a gif file")]
    {
        fs::write(&path, bytes).unwrap();
        assert_eq!(say(), format!("{shown}/x: {reason}; {rest}"));
    }
    fs::write(&path, b"\x89PNG\r\n\x1a\nand no more").unwrap();
    assert!(say().starts_with(&format!("{shown}/x: its header is damaged: ")), "{}", say());

    fs::File::create(&path).unwrap().set_len((16 << 20) + 1).unwrap();
    assert_eq!(say(), format!("{shown}/x: 16777217 bytes; a photo has at most 16777216"));
    assert!(Photos::from_folder(&path).is_err());
    assert!(Photos::from_folder(&folder.path().join("none")).is_err());
}

/// `cargo test -p loadgen show_photos -- --ignored --nocapture` writes the set to a folder to look at.
#[test]
#[ignore = "writes files for a person to look at"]
fn show_photos() {
    let began = std::time::Instant::now();
    let set = Photos::built_in(42);
    println!("{:?}", began.elapsed());
    let folder = tempdir().unwrap().keep();
    for photo in set.all() {
        println!("{} {}", photo.name, photo.bytes.len());
        let picture = image::load_from_memory(&photo.bytes).unwrap();
        picture.save(folder.join(&photo.name).with_extension("png")).unwrap();
    }
    println!("{}", folder.display());
}
