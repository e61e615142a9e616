//! Names of every sort, in arguments and in what is printed.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use serde_json::Value;

use crate::scene::Scene;

/// What a file may be called, and how it is shown.
const NAMES: [(&[u8], &str); 9] = [
    (b"bad\xff", r"bad\xff"),
    (b"two words", "two words"),
    (b"a:b=c,d", "a:b=c,d"),
    (b"two\nlines", r"two\nlines"),
    (b"red\x1b[31m", r"red\u{1b}[31m"),
    (b"a\rb\x7f", r"a\rb\u{7f}"),
    ("\u{202e}gnp".as_bytes(), r"\u{202e}gnp"),
    ("größe ✓".as_bytes(), "größe ✓"),
    (b"-x", "-x"),
];

fn name(stem: &[u8], ending: &str) -> std::ffi::OsString {
    let mut name = OsStr::from_bytes(stem).to_owned();
    name.push(ending);
    name
}

/// A command line of such names: those of files come after the options.
fn arguments<'a>(options: &[&'a str], files: &[&'a OsStr]) -> Vec<&'a OsStr> {
    let options = options.iter().copied().map(OsStr::new);
    options.chain([OsStr::new("--")]).chain(files.iter().copied()).collect()
}

#[test]
fn every_name_is_read_written_and_shown_on_one_line() {
    let scene = Scene::new();
    fs::write(scene.at("pass"), "a passphrase\n").unwrap();
    let photo = fs::read(scene.at("photo.png")).unwrap();
    for (stem, shown) in NAMES {
        let [own, sealed, opened, again] =
            [".png", ".sealed.png", ".sealed.opened.png", ".again.png"].map(|ending| name(stem, ending));
        fs::write(scene.at(&own), &photo).unwrap();
        let line = |said: String, words: String| {
            assert!(said.contains(&words), "{words:?} is not in {said:?}");
            assert!(!said.trim_end().contains(|c: char| c.is_control() || c == '\u{202e}'), "{said:?}");
        };
        let said = scene.done(arguments(&["seal", "--user", "anna", "--for", "ben=5"], &[&own]));
        line(said, format!(" sealed in {shown}.sealed.png ("));
        let said = scene.done(arguments(&["view", "--user", "ben"], &[&sealed]));
        line(said, format!("opened in {shown}.sealed.opened.png (4 views left)"));
        assert_eq!(fs::read(scene.at(&opened)).unwrap(), photo);
        // In JSON it is text; and what is there already is named, too.
        let mut option = OsStr::new("--output=").to_owned();
        option.push(&again);
        let mut command = arguments(&["view", "--user", "ben", "--json"], &[&sealed]);
        command.insert(1, &option);
        let said = scene.done(&command);
        let json: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(json["file"], again.to_string_lossy().into_owned());
        line(said, "views_left".to_owned());
        line(scene.run(&command).err, format!("veil: {shown}.again.png is there already"));
        for (command, words) in [
            (&["inspect"][..], "owner"),
            (&["repair"], shown),
            (&["describe", "--user", "anna"], "owner"),
            (&["views", "--user", "anna"], "ben"),
        ] {
            let said = scene.done(arguments(command, &[&sealed]));
            assert!(said.contains(words) && !said.contains('\u{1b}') && !said.contains('\r'), "{said:?}");
        }
        let hidden = scene.at(name(stem, ".hidden.png"));
        let mut hide = scene.veil(["hide", "--json", "--passphrase-file", "pass", "-o"]);
        let hide = hide.arg(&hidden).arg("--").arg(&own).output().unwrap();
        assert!(hide.status.success(), "{hide:?}");
        let missing = scene.run(arguments(&["inspect"], &[&name(stem, ".missing")]));
        assert_eq!(missing.code, Some(1));
        line(missing.err, format!("veil: {shown}.missing: "));
    }
    // A folder of them, as JSON and as text.
    let said = scene.done(["restore", ".", "--user", "ben", "--json"]);
    let json: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["files"].as_array().unwrap().len(), NAMES.len());
    let said = scene.done(["restore", ".", "--user", "ben"]);
    assert_eq!(said.lines().count(), NAMES.len(), "{said}");
}

#[test]
fn folders_have_such_names_too() {
    let scene = Scene::new();
    for (stem, shown) in NAMES.iter().filter(|(stem, _)| !stem.starts_with(b"-")) {
        let folder = OsStr::from_bytes(stem);
        let command = [OsStr::new("cluster"), OsStr::new("init"), folder];
        let said = scene.done(command);
        assert!(said.contains(&format!("{shown}/ca.pem")), "{said}");
        assert_eq!(said.lines().count(), 8, "{said}");
        let said = scene.refused(command, "exists already");
        assert_eq!(said.lines().count(), 1, "{said}");
        for more in [&["renew"][..], &["add-node", "--id", "4"], &["add-key"]] {
            let command =
                ["cluster"].iter().chain(more).map(OsStr::new).chain([folder, OsStr::new("--json")]);
            let json: Value = serde_json::from_str(&scene.done(command)).unwrap();
            assert!(json.is_object());
        }
        let home = scene.at(folder).join("home");
        let register =
            scene.veil(["register", "--no-password", "--json", "--home"]).arg(&home).arg("cy").output();
        let said = register.unwrap();
        // The name is taken from the second on, which is said of every home.
        assert!(matches!(said.status.code(), Some(0 | 1)), "{said:?}");
    }
}

#[test]
fn the_longest_names_have_room_and_longer_ones_are_refused_before() {
    let scene = Scene::new();
    let long = format!("{}.png", "n".repeat(251));
    let photo = fs::read(scene.at("photo.png")).unwrap();
    fs::write(scene.at(&long), &photo).unwrap();
    let before = scene.names(&scene.work());
    let said =
        scene.refused(["seal", &long, "--user", "anna", "--for", "ben=1"], ".sealed.png cannot be written");
    assert_eq!(said.lines().count(), 1);
    assert_eq!((scene.images("anna").len(), scene.names(&scene.work())), (0, before));
    let output = format!("{}.png", "m".repeat(251));
    scene.done(["seal", &long, "--user", "anna", "--for", "ben=1", "-o", &output]);
    scene.refused(["view", &output, "--user", "ben"], "cannot be written");
    assert_eq!(scene.left(), 1);
    scene.done(["view", &output, "--user", "ben", "-o", &"o".repeat(255)]);
    assert_eq!(fs::read(scene.at("o".repeat(255))).unwrap(), photo);
}
