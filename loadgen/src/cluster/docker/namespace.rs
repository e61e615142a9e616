//! Acts from inside a container's network namespace: dials as the node would, and sets its packet filter.
//!
//! A namespace belongs to a thread, so each act has a thread of its own, which ends with it. It takes root, and an
//! engine on this machine.

use std::{
    fs::File,
    io::{self, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use futures_util::future::BoxFuture;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::oneshot;
use veil::wire::transport::{BoxedStream, Listener, Network};

/// A connection that does not come about in this time does not come about.
const DIAL_PATIENCE: Duration = Duration::from_millis(400);

/// The network namespace of a running process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Namespace {
    pid: i64,
}

impl Namespace {
    /// That of a container's first process.
    pub(super) fn of(pid: i64) -> Self {
        Self { pid }
    }

    /// Its processes' root folder, as this machine sees it.
    pub(super) fn root(self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid))
    }

    /// Whether the process is there still.
    pub(super) fn is_there(self) -> bool {
        self.path().exists()
    }

    fn path(self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.pid))
    }

    /// Replaces the packet filter: `rules` is a whole table as `iptables-restore` reads it. All at once.
    pub(super) async fn set_filter(self, rules: String) -> io::Result<()> {
        self.inside(move || feed(restore(Command::new("iptables-restore")), &rules)).await
    }

    /// Acts on a thread that is in the namespace, as are the commands that it starts.
    pub(super) async fn inside<T: Send + 'static>(
        self,
        act: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (sender, done) = oneshot::channel();
        let inside = move || {
            let namespace = File::open(self.path())?;
            if same(&namespace, &File::open("/proc/self/ns/net")?)? {
                let reason = "it is this program's own: the engine's processes are not this machine's";
                return Err(io::Error::other(reason));
            }
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            act()
        };
        std::thread::Builder::new().name("namespace".to_owned()).spawn(move || sender.send(inside()))?;
        done.await.unwrap_or_else(|_| Err(io::Error::other("the thread has panicked")))
    }
}

/// Whether two handles are of one namespace (namespaces(7)).
fn same(one: &File, other: &File) -> io::Result<bool> {
    let [one, other] = [one.metadata()?, other.metadata()?];
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// Dials from inside. A socket stays in the namespace that it was made in.
impl Network for Namespace {
    fn dial(&self, address: &str) -> BoxFuture<'static, io::Result<BoxedStream>> {
        let (namespace, address) = (*self, address.to_owned());
        Box::pin(async move {
            let dialled = namespace.inside(move || {
                let address: Option<SocketAddr> = address.to_socket_addrs()?.next();
                let address = address.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
                TcpStream::connect_timeout(&address, DIAL_PATIENCE)
            });
            let stream = dialled.await?;
            stream.set_nonblocking(true)?;
            Ok(Box::new(tokio::net::TcpStream::from_std(stream)?) as BoxedStream)
        })
    }

    fn listen(&self, _address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        Box::pin(async { Err(io::Error::from(io::ErrorKind::Unsupported)) })
    }
}

/// Whether packet filters of namespaces can be set from here, tried in a namespace of its own.
pub(super) async fn can_filter() -> io::Result<()> {
    let tried = tokio::task::spawn_blocking(|| {
        let mut command = Command::new("unshare");
        command.args(["--net", "iptables-restore"]);
        feed(
            restore(command),
            "*filter\n-A INPUT -s 192.0.2.1 -p tcp -j REJECT --reject-with tcp-reset\nCOMMIT\n",
        )
    });
    tried.await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

/// Some versions share a lock with all others of the machine, and are not to give up at once.
fn restore(mut command: Command) -> Command {
    command.args(["--wait", "5"]);
    command
}

/// Gives a command its whole input. What it complains of is the error.
pub(super) fn feed(mut command: Command, text: &str) -> io::Result<()> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let written = child.stdin.take().map_or(Ok(()), |mut input| input.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    match output.status.success() {
        true => written,
        // Also when it did not read to the end: why not says more than that it did not.
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_complains_of_is_told_even_if_it_does_not_listen() {
        let mut deaf = Command::new("sh");
        deaf.args(["-c", "echo line 4 is wrong >&2; exit 1"]);
        let more_than_a_pipe_holds = "a line\n".repeat(100_000);
        assert_eq!(feed(deaf, &more_than_a_pipe_holds).unwrap_err().to_string(), "line 4 is wrong");
        assert!(feed(Command::new("cat"), &more_than_a_pipe_holds).is_ok());
    }
}
