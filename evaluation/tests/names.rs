//! Names of every sort, of folders, scenarios and photos: with blanks, colons and commas, with a hyphen in front, and not
//! UTF-8. What is done with them is done to the end.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

const SCENARIO: &str = "version = 1\n[load]\nclients = 4\nstages = [{ for = \"1s\", rate = 20 }]\n";

fn evaluation(folder: &Path, arguments: &[&OsStr]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_evaluation")).current_dir(folder).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!err.contains("panicked") && !err.contains("os error"), "{err}");
    format!("{out}\n{err}")
}

fn name(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

fn only_entry(folder: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(folder).unwrap();
    entries.next().unwrap().unwrap().path()
}

#[test]
fn scenarios_and_folders_have_any_name() {
    let root = tempfile::tempdir().unwrap();
    let scenario = name(b"-a: b, <c>\x1b[1m\n\xff.toml");
    std::fs::write(root.path().join(scenario), SCENARIO).unwrap();
    let out = name(b"-o u:t, \xfe");
    let output = evaluation(root.path(), &[name(b"run"), name(b"--out=-o u:t, \xfe"), name(b"--"), scenario]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(!said(&output).contains('\x1b'), "{}", said(&output));
    let run = only_entry(&root.path().join(out));
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(!page.contains("<c>") && page.contains("&lt;c&gt;"));

    let again = evaluation(root.path(), &[name(b"report"), run.as_os_str()]);
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    // A link to it, with a name that looks like an option.
    std::os::unix::fs::symlink(&run, root.path().join("-l")).unwrap();
    let again = evaluation(root.path(), &[name(b"report"), name(b"--json"), name(b"--"), name(b"-l")]);
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    let over = [
        name(b"overlay"),
        name(b"--json"),
        name(b"--out=o: \xff"),
        name(b"--"),
        run.as_os_str(),
        name(b"-l"),
    ];
    let overlay = evaluation(root.path(), &over);
    assert_eq!(overlay.status.code(), Some(0), "{}", said(&overlay));
    assert!(root.path().join(name(b"o: \xff")).join("overlay.html").exists());
}

#[test]
fn photos_of_any_name_are_sealed_and_a_folder_that_no_scenario_can_name_is_refused_at_once() {
    let root = tempfile::tempdir().unwrap();
    let photos = root.path().join("my: photos, -1");
    std::fs::create_dir(&photos).unwrap();
    let photo = loadgen::photos::Photos::built_in(1).pick(0).bytes.clone();
    std::fs::write(photos.join(name(b"-a:\xff b")), photo).unwrap();
    let text = format!("{SCENARIO}images = \"my: photos, -1\"\nmix = {{ seal = 1 }}\n");
    std::fs::write(root.path().join("s.toml"), &text).unwrap();
    let output = evaluation(root.path(), &[name(b"run"), name(b"s.toml"), name(b"--out"), name(b"o")]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));

    let odd = root.path().join(name(b"\xff"));
    std::fs::create_dir(&odd).unwrap();
    std::fs::write(odd.join("s.toml"), text).unwrap();
    let output = evaluation(&odd, &[name(b"run"), name(b"s.toml"), name(b"--out"), name(b"o")]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("load.images: the path of the folder is not UTF-8"), "{}", said(&output));
    assert!(!odd.join("o").exists());
}

#[test]
fn standard_input_is_no_scenario_but_by_its_name() {
    let root = tempfile::tempdir().unwrap();
    let output = evaluation(root.path(), &[name(b"run"), name(b"-")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("/dev/stdin"), "{}", said(&output));
    assert!(!root.path().join("reports").exists());
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_done() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("s.toml"), SCENARIO).unwrap();
    std::fs::write(root.path().join("file"), "").unwrap();
    for out in ["file", "file/inside", "/proc/none"] {
        let output =
            evaluation(root.path(), &[name(b"run"), name(b"s.toml"), name(b"--out"), OsStr::new(out)]);
        assert_eq!(output.status.code(), Some(2), "{out}: {}", said(&output));
        let said = said(&output);
        assert!(said.contains(out) && said.trim().lines().count() == 1, "{said}");
    }
}

#[test]
fn what_is_asked_of_a_program_arrives_or_is_missed() {
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_evaluation"))
            .args(arguments)
            .stdout(Stdio::from(full))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(said(&output).contains("standard output cannot be written"), "{}", said(&output));
    }
}
