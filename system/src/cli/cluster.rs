//! `veil cluster`: what the nodes of a cluster have in common.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use super::secret;
use crate::{
    identity::{ClusterKeys, PublicKey},
    node::Entropy,
};

/// The name of the file.
const KEY_FILE: &str = "cluster.key";

/// Make what the nodes of a cluster have in common.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Make the key of a new cluster.
    Init(InitArgs),
}

/// Draws the secret of a new cluster into DIR/cluster.key, which only you can read, and prints the public key
/// that follows from it. Every node needs a copy, beside its node.toml.
///
/// The cluster signs permission blocks with it: whoever has the file can forge them.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where the key is written; made if missing. A key that is there already is not replaced.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
}

/// Does what was asked.
///
/// # Errors
/// When files cannot be written, or there is a key already.
pub fn run(command: &ClusterCommand) -> anyhow::Result<()> {
    match command {
        ClusterCommand::Init(args) => init(args),
    }
}

fn init(InitArgs { folder, json }: &InitArgs) -> anyhow::Result<()> {
    let (path, public) = make_key(folder)?;
    if *json {
        println!("{}", json!({ "public_key": public.to_string(), "file": path }));
        return Ok(());
    }
    println!("public key {public}");
    println!(
        "{} is the cluster's secret. Put a copy beside the node.toml of every node, and say there\n\
         \n    cluster_key = \"{KEY_FILE}\"\n\
         \nAll nodes need the same. Whoever has it can sign as the cluster: nobody else should read it.",
        path.display()
    );
    Ok(())
}

fn make_key(folder: &Path) -> anyhow::Result<(PathBuf, PublicKey)> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let path = folder.join(KEY_FILE);
    let keys = Entropy::from_system().draw(ClusterKeys::generate);
    let made = secret::create(&path, &keys.to_text())?;
    anyhow::ensure!(
        made.is_some(),
        "{} exists already: a cluster may need it, so it is not replaced",
        path.display()
    );
    Ok((path, keys.public()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_gets_a_key_once_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("new/cluster");
        let (path, public) = make_key(&inner).unwrap();
        assert_eq!((path.as_path(), secret::mode(&path)), (&*inner.join("cluster.key"), 0o600));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(ClusterKeys::from_text(&text).unwrap().public(), public);

        let again = make_key(&inner).unwrap_err().to_string();
        assert!(again.starts_with(path.to_str().unwrap()) && again.contains("exists already"), "{again}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert_ne!(make_key(folder.path()).unwrap().1, public, "two clusters have the same key");
    }
}
