//! How load generators are started. What a run needs of one is two byte streams and a word when it ends;
//! whether there is a process behind them, or a container, is nobody else's business.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
};

use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    process::{Child, Command},
    task::JoinSet,
};

use super::{runtime, serve};
use crate::workload::Part;

/// What the pipe to a generator within this process holds before its writer has to wait, bytes.
const PIPE_CAPACITY: usize = 1 << 16;

/// A way of starting load generators.
pub trait Launcher: Send + Sync {
    /// Starts the generator of a part. It is to record in the folder `out`, which is there.
    fn launch<'a>(&'a self, part: Part, out: &'a Path) -> BoxFuture<'a, io::Result<Launched>>;
}

/// A generator that was started.
pub struct Launched {
    /// What it is told; closing this ends it.
    pub orders: Box<dyn AsyncWrite + Send + Unpin>,
    /// What it tells.
    pub reports: Box<dyn AsyncRead + Send + Unpin>,
    /// What is behind them.
    pub behind: Box<dyn Behind>,
}

/// What is behind a generator's streams. Dropping these and it ends the generator.
pub trait Behind: Send {
    /// Waits until it has ended, and says how.
    fn ended(&mut self) -> BoxFuture<'_, String>;
}

/// Starts a generator within this process, on a thread of its own.
#[derive(Debug, Clone, Copy)]
pub struct InProcess;

impl Launcher for InProcess {
    fn launch<'a>(&'a self, _part: Part, out: &'a Path) -> BoxFuture<'a, io::Result<Launched>> {
        let out = out.to_owned();
        Box::pin(async move {
            let (orders, heard) = tokio::io::duplex(PIPE_CAPACITY);
            let (said, reports) = tokio::io::duplex(PIPE_CAPACITY);
            let runtime = runtime()?;
            let mut task = JoinSet::new();
            // It cannot be called off, but it ends when nobody speaks to it any more.
            task.spawn_blocking(move || {
                runtime.block_on(serve(out, heard, said)).err().map(|error| error.to_string())
            });
            Ok(Launched { orders: Box::new(orders), reports: Box::new(reports), behind: Box::new(task) })
        })
    }
}

impl Behind for JoinSet<Option<String>> {
    fn ended(&mut self) -> BoxFuture<'_, String> {
        Box::pin(async move {
            match self.join_next().await {
                Some(Ok(error)) => error.unwrap_or_else(|| "it is done".to_owned()),
                // A defect of this program.
                Some(Err(failed)) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
                Some(Err(_)) | None => "it was called off".to_owned(),
            }
        })
    }
}

/// Starts each generator as a process of this machine.
#[derive(Debug, Clone)]
pub struct Processes {
    /// The executable; it must understand `generate --out DIR` as this one does.
    pub program: PathBuf,
}

impl Launcher for Processes {
    fn launch<'a>(&'a self, _part: Part, out: &'a Path) -> BoxFuture<'a, io::Result<Launched>> {
        Box::pin(async move {
            let mut command = Command::new(&self.program);
            command
                .args(["generate", "--out"])
                .arg(out)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                // A Ctrl-C at the terminal is for the run, which then tells its generators.
                .process_group(0);
            let mut child = command.spawn()?;
            let (Some(orders), Some(reports)) = (child.stdin.take(), child.stdout.take()) else {
                return Err(io::Error::other("no standard input or output"));
            };
            Ok(Launched { orders: Box::new(orders), reports: Box::new(reports), behind: Box::new(child) })
        })
    }
}

impl Behind for Child {
    fn ended(&mut self) -> BoxFuture<'_, String> {
        Box::pin(async move {
            match self.wait().await {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            }
        })
    }
}
