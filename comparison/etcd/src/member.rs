//! How this program becomes an etcd process that does not outlive the one that has started it.

use std::{ffi::OsString, os::unix::process::CommandExt, process::Command};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

#[derive(clap::Args)]
pub struct Arguments {
    /// The process that has started this one.
    #[arg(long)]
    parent: i32,
    /// What etcd is told.
    #[arg(last = true)]
    etcd: Vec<OsString>,
}

/// Does not return, but with an error.
pub fn become_etcd(Arguments { parent, etcd }: &Arguments) -> anyhow::Error {
    // The kernel's promise survives `exec`.
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    if getppid().map(Pid::as_raw_pid) != Some(*parent) {
        return anyhow::anyhow!("the process that wanted an etcd has ended");
    }
    let mut command = Command::new(PROGRAM);
    command.args(etcd);
    // It would take flags from there too.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"ETCD_")) {
        command.env_remove(name);
    }
    anyhow::Error::from(command.exec()).context(format!("cannot start `{PROGRAM}`: is it installed?"))
}

/// Found by way of `PATH`.
pub const PROGRAM: &str = "etcd";
