//! Several commands at work on one sealed file.

use std::{fs, os::unix::fs::symlink, thread};

use crate::scene::Scene;

/// The sealed file as another program saves it: the same pixels, packed otherwise.
fn save_anew(from: &std::path::Path, to: &std::path::Path) {
    let picture = image::open(from).unwrap().into_rgb8();
    picture.save_with_format(to, image::ImageFormat::Png).unwrap();
}

#[test]
fn a_link_to_a_sealed_file_stays_one_and_the_file_is_brought_up_to_date() {
    let scene = Scene::new();
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=4"]);
    for folder in ["real", "links"] {
        fs::create_dir(scene.at(folder)).unwrap();
    }
    save_anew(&scene.at("photo.sealed.png"), &scene.at("real/s.png"));
    fs::copy(scene.at("photo.sealed.png"), scene.at("real/own.png")).unwrap();
    let revision = |name: &str| {
        let said = scene.done(["inspect", name, "--json"]);
        serde_json::from_str::<serde_json::Value>(&said).unwrap()["revision"].as_u64().unwrap()
    };
    let mut expected = 0;
    for name in ["s.png", "own.png"] {
        let (link, real) = (format!("links/{name}"), format!("real/{name}"));
        symlink(scene.at(&real), scene.at(&link)).unwrap();
        scene.done(["view", &link, "--user", "ben", "-o", &format!("{name}.opened")]);
        expected += 1;
        assert!(fs::symlink_metadata(scene.at(&link)).unwrap().is_symlink());
        assert_eq!((revision(&real), revision(&link)), (expected, expected));
    }
    // By way of a folder of links, too.
    scene.done(["grant", "photo.sealed.png", "ben", "9", "--user", "anna"]);
    scene.done(["restore", "links", "--user", "ben"]);
    for name in ["s.png", "own.png"] {
        assert!(fs::symlink_metadata(scene.at(format!("links/{name}"))).unwrap().is_symlink());
        assert_eq!(revision(&format!("real/{name}")), expected + 1);
    }
    assert_eq!(scene.names(&scene.at("links")).len(), 2);
}

#[test]
fn whoever_reads_a_file_that_others_rewrite_sees_a_whole_one() {
    let scene = Scene::new();
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=100"]);
    for (file, round) in [("own.png", 0), ("saved.png", 1)] {
        match round {
            0 => drop(fs::copy(scene.at("photo.sealed.png"), scene.at(file)).unwrap()),
            _ => save_anew(&scene.at("photo.sealed.png"), &scene.at(file)),
        }
        let many = |command: Vec<String>| {
            let scene = &scene;
            move || {
                for i in 0..6 {
                    let command = command.iter().map(|word| word.replace('#', &format!("{round}{i}")));
                    scene.done(command);
                }
            }
        };
        let words = |command: &str| command.split(' ').map(str::to_owned).collect::<Vec<_>>();
        thread::scope(|scope| {
            for command in [
                format!("view {file} --user ben -o x#.png --timeout 60s"),
                format!("view {file} --user anna -o y#.png --timeout 60s"),
                "restore . --user ben --timeout 60s".to_owned(),
                format!("inspect {file}"),
                format!("repair {file}"),
                format!("describe {file} --user anna"),
            ] {
                scope.spawn(many(words(&command)));
            }
        });
        assert_eq!(scene.done(["repair", file]), format!("{file}: nothing to do\n"));
    }
    assert_eq!(scene.left(), 88);
}

#[test]
fn a_sealed_file_that_cannot_be_rewritten_is_told_of() {
    let scene = Scene::new();
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=1"]);
    scene.done(["grant", "photo.sealed.png", "ben", "2", "--user", "anna"]);
    let locked = fs::File::open(scene.at("photo.sealed.png")).unwrap();
    locked.lock().unwrap();
    let ended = scene.run(["restore", ".", "--user", "ben", "--timeout", "1s"]);
    assert!(ended.code == Some(1) && ended.out.starts_with("failed "), "{ended:?}");
    assert!(ended.out.contains("another program has kept the file locked"), "{ended:?}");
}
