//! Notes the commit that the programs are built from, for `run.json`.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=../.git/HEAD");
    println!("cargo::rerun-if-changed=../.git/index");
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // Built from an archive, there is no commit to tell.
    if let Some(commit) = git(&["rev-parse", "HEAD"]) {
        let changed =
            git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|text| !text.is_empty());
        println!("cargo::rustc-env=VEIL_COMMIT={commit}{}", if changed { "+" } else { "" });
    }
}
