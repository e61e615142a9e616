//! What the operating system refuses is told in words, by every command.

use super::program::{file, said, veil};

#[test]
fn no_command_shows_a_number_of_the_system_or_a_name_that_nobody_has_typed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (missing, home) = (at("missing.png"), at("home"));
    let file = |name: &str, content: &str| file(folder.path(), name, content);
    let (text, password) = (file("text", "no picture"), file("password", "correct horse"));
    let below_file = format!("{text}/below");
    let (in_missing, dir) = (at("missing/out.png"), folder.path().to_str().unwrap());
    let no_file = format!("{missing}: no such file or folder");
    let cluster = ["--plain", "--nodes", "127.0.0.1:1", "--timeout", "200ms", "--home", &home];
    let with = |arguments: &[&'static str], more: &[&str]| -> Vec<String> {
        arguments.iter().copied().chain(more.iter().copied()).map(str::to_owned).collect()
    };
    let and =
        |first: Vec<String>, more: &[&str]| [first, more.iter().map(|s| (*s).to_owned()).collect()].concat();
    let table: Vec<(Vec<String>, String)> = vec![
        (with(&["inspect"], &[&missing]), no_file.clone()),
        (with(&["repair"], &[&missing]), no_file.clone()),
        (with(&["reveal"], &[&missing, "--passphrase-file", &password]), no_file.clone()),
        (with(&["capacity"], &[&missing]), no_file.clone()),
        (and(with(&["seal"], &[&missing]), &cluster), no_file.clone()),
        (and(with(&["view"], &[&missing]), &cluster), no_file.clone()),
        (and(with(&["restore"], &[&missing]), &cluster), String::new()),
        (and(with(&["grant"], &[&missing, "ben", "1"]), &cluster), String::new()),
        (and(with(&["directory", "load"], &[&missing]), &cluster), no_file.clone()),
        (and(with(&["login", "ben"], &["--password-file", &missing]), &cluster), no_file.clone()),
        (with(&["node"], &["--config", &missing]), no_file.clone()),
        (with(&["node"], &["--config", dir]), "it is a folder".to_owned()),
        (with(&["leader"], &["--ca", &missing]), no_file.clone()),
        (with(&["leader"], &["--operator", &missing]), "no such file or folder".to_owned()),
        (with(&["inspect"], &[dir]), format!("{dir}: it is a folder")),
        (with(&["inspect"], &[&below_file]), "a part of the path is no folder".to_owned()),
        (with(&["hide"], &[&text, "-o", &in_missing, "--passphrase-file", &password]), String::new()),
        (with(&["dev"], &["--keep", &below_file]), String::new()),
        (with(&["cluster", "init"], &[&below_file]), String::new()),
        (and(with(&["leader"], &[]), &cluster), "connection refused".to_owned()),
        (and(with(&["register", "ben", "--no-password"], &[]), &cluster), "connection refused".to_owned()),
        (and(with(&["status"], &[]), &cluster), "connection refused".to_owned()),
        (with(&["health"], &["--config", &missing]), no_file),
    ];
    for (arguments, expected) in table {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (out, complaint, code) = said(&veil(&arguments).output().unwrap());
        let all = format!("{out}{complaint}");
        assert_ne!(code, Some(0), "{arguments:?}: {all}");
        assert!(!all.contains("os error") && !all.contains(".veil-"), "{arguments:?}: {all}");
        assert!(all.contains(&expected), "{arguments:?}: {expected:?} is not in {all}");
        println!("{arguments:?}: {all}");
    }
}
