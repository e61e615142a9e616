//! docs/tutorial.md, typed by a machine: its `sh` blocks are one script, and each `text` block is what the `sh` block
//! before it prints.
//!
//! In such a text `…` stands for anything within a line. Ids and ports are compared by their shape alone, so that a
//! reader sees what they look like.

#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

mod page;

use std::{
    env,
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

use page::{Step, fits, steps};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/tutorial.md");
/// Printed before what a step prints.
const MARK: &str = "@@ step";

/// All steps, and nothing left running whatever comes of them.
fn script(steps: &[Step]) -> String {
    let numbered = steps.iter().enumerate();
    let steps = numbered.map(|(number, step)| format!("echo '{MARK} {number}'\n{}\n", step.commands));
    let end = "trap 'running=$(jobs -p); test -z \"$running\" || kill $running; wait' EXIT\n";
    end.to_owned() + &steps.collect::<String>()
}

/// Runs a script as somebody who has never used the program, and returns what it prints.
fn run(script: &str, folder: &Path) -> (bool, String) {
    let programs = Path::new(env!("CARGO_BIN_EXE_veil")).parent().unwrap();
    let path = env::join_paths(
        [programs.to_owned()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap())),
    );
    let (home, work, said) = (folder.join("home"), folder.join("work"), folder.join("said"));
    fs::create_dir(&home).unwrap();
    fs::create_dir(&work).unwrap();
    let out = File::create(&said).unwrap();
    let status = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .env_clear()
        .env("PATH", path.unwrap())
        .env("HOME", home)
        .env("LC_ALL", "C")
        .current_dir(work)
        .stdin(Stdio::null())
        .stderr(out.try_clone().unwrap())
        .stdout(out)
        .status();
    (status.unwrap().success(), fs::read_to_string(said).unwrap())
}

#[test]
fn what_the_tutorial_says_is_what_happens() {
    let steps = steps(&fs::read_to_string(PAGE).unwrap());
    assert!(steps.len() > 10, "the page has {} steps", steps.len());
    let folder = tempfile::tempdir().unwrap();
    let (succeeded, said) = run(&script(&steps), folder.path());
    let mut parts = said.split(MARK).skip(1);
    for (number, step) in steps.iter().enumerate() {
        let part = parts.next().unwrap_or_else(|| panic!("step {number} was not reached:\n{said}"));
        let printed = part.split_once('\n').map_or("", |(_, printed)| printed);
        if let Some(expected) = &step.prints {
            let Step { commands, line, .. } = step;
            assert!(
                fits(expected, printed),
                "line {line} of the tutorial:\n{commands}\nexpected:\n{expected}\nprinted:\n{printed}"
            );
        }
    }
    assert!(succeeded, "the last step failed:\n{said}");
    let left: Vec<_> = fs::read_dir(folder.path().join("work")).unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}
