//! Byte streams between addresses. Nodes and clients are handed a [`Network`] and never open a
//! socket themselves, so that whole clusters can run over in-memory pipes inside one process.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, ToSocketAddrs},
    os::fd::AsFd,
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::address::{self, NoAddress};

/// A two-way byte stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// From now on it is the runtime that calls this which is told when there is something to be read or written.
    ///
    /// # Errors
    /// When the system refuses.
    fn move_here(&mut self) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn move_here(&mut self) -> io::Result<()> {
        // A socket is registered with a runtime as long as it is open. This is another name for the same one.
        let again = std::net::TcpStream::from(self.as_fd().try_clone_to_owned()?);
        *self = Self::from_std(again)?;
        Ok(())
    }
}

impl Stream for DuplexStream {
    fn move_here(&mut self) -> io::Result<()> {
        // No runtime has to do with it.
        Ok(())
    }
}

/// A boxed [`Stream`].
pub type BoxedStream = Box<dyn Stream>;

/// Where streams come from.
pub trait Network: Send + Sync {
    /// Opens a stream to `address`.
    fn dial(&self, address: &str) -> BoxFuture<'static, io::Result<BoxedStream>>;

    /// Begins to accept streams at `address`. Port 0 asks for any free port.
    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>>;

    /// Whether `address` has the form of one at which somebody can be reached.
    ///
    /// # Errors
    /// [`NoAddress`], where this network has a form.
    fn check(&self, _address: &str) -> Result<(), NoAddress> {
        Ok(())
    }
}

/// What a transport vouches for about the other side of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: neither side is checked, nothing is encrypted.
    Unchecked,
    /// The stream is encrypted, and the other side has shown no certificate.
    Anonymous,
    /// It has shown an operator's certificate.
    Operator,
    /// It has shown a node's certificate.
    Node,
}

/// A stream that is still being opened, and what is known of the other side once it is. Whoever accepts it
/// decides how long that may take; nobody else waits for it.
pub type Opening = BoxFuture<'static, io::Result<(BoxedStream, Standing)>>;

/// Accepts streams.
pub trait Listener: Send {
    /// Waits for the next stream; with it comes the other side's address.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Opening, String)>>;

    /// The address really listened on.
    fn local_address(&self) -> String;
}

/// TCP, without encryption: for loopback experiments.
#[derive(Debug, Clone, Default)]
pub struct Tcp {
    /// Lets a supervisor keep the port reserved with a socket of its own while the node is down
    /// (`SO_REUSEPORT`), so that nobody else is given it before a restart.
    pub shared_port: bool,
    /// Addresses that are reached by way of another one, such as a proxy's.
    pub routes: HashMap<String, String>,
}

impl Network for Tcp {
    fn dial(&self, address: &str) -> BoxFuture<'static, io::Result<BoxedStream>> {
        let address = self.routes.get(address).map_or(address, String::as_str).to_owned();
        Box::pin(async move {
            let stream = match address.parse::<SocketAddr>() {
                Ok(socket) => TcpStream::connect(socket).await?,
                Err(_) => first_of(look_up(&address).await?, TcpStream::connect::<SocketAddr>).await?,
            };
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxedStream)
        })
    }

    fn check(&self, address: &str) -> Result<(), NoAddress> {
        address::check_reachable(address)
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        let (address, shared_port) = (address.to_owned(), self.shared_port);
        Box::pin(async move {
            let socket = bind(resolve(&address)?, shared_port)?;
            socket.listen(1024)?;
            let listener = TcpListener::from_std(socket.into())?;
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }
}

/// A name may have several addresses. So long the one before may take until the next one is tried beside it.
const STAGGER: Duration = Duration::from_millis(50);

/// What a name stands for.
async fn look_up(address: &str) -> io::Result<Vec<SocketAddr>> {
    let unknown = |reason: String| {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        io::Error::new(io::ErrorKind::NotFound, format!("the name {host} is not known ({reason})"))
    };
    let found = tokio::net::lookup_host(address).await.map_err(|error| unknown(error.to_string()))?;
    let found: Vec<_> = found.collect();
    if found.is_empty() { Err(unknown("it has no address".to_owned())) } else { Ok(found) }
}

/// Connects to whichever of these addresses answers first. One that does not answer keeps nobody from the others, and one
/// that refuses does not hold them up.
async fn first_of<A, T, F: Future<Output = io::Result<T>>>(
    addresses: Vec<A>,
    connect: impl Fn(A) -> F,
) -> io::Result<T> {
    let (mut addresses, mut connecting) = (addresses.into_iter(), FuturesUnordered::new());
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    loop {
        connecting.extend(addresses.next().map(&connect));
        tokio::select! {
            connected = connecting.next() => match connected {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => failure = error,
                None => return Err(failure),
            },
            () = tokio::time::sleep(STAGGER), if addresses.len() > 0 => {}
        }
    }
}

fn resolve(address: &str) -> io::Result<SocketAddr> {
    address
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such address"))
}

/// Binds a TCP socket without listening. Held open with `shared_port`, it keeps the port from being
/// given to anybody else, while connections to it are refused.
///
/// # Errors
/// When the address is taken or not of this machine.
pub fn bind(address: SocketAddr, shared_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections in TIME_WAIT must not keep a restarted node from its port.
    socket.set_reuse_address(true)?;
    if shared_port {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A stream that needs nothing more to be open.
fn opened(stream: BoxedStream) -> Opening {
    Box::pin(std::future::ready(Ok((stream, Standing::Unchecked))))
}

impl Listener for TcpListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Opening, String)>> {
        Box::pin(async move {
            let (stream, from) = TcpListener::accept(self).await?;
            stream.set_nodelay(true)?;
            Ok((opened(Box::new(stream)), from.to_string()))
        })
    }

    fn local_address(&self) -> String {
        self.local_addr().map_or_else(|e| format!("unknown ({e})"), |address| address.to_string())
    }
}

/// A network of in-memory pipes; each value is a network of its own, clones share it.
#[derive(Debug, Clone, Default)]
pub struct Pipes {
    listeners: Arc<Mutex<HashMap<String, mpsc::Sender<DuplexStream>>>>,
}

/// What a pipe holds before its writer has to wait, bytes.
const PIPE_CAPACITY: usize = 1 << 20;

impl Network for Pipes {
    fn dial(&self, address: &str) -> BoxFuture<'static, io::Result<BoxedStream>> {
        let listener = self.listeners.lock().get(address).cloned();
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(PIPE_CAPACITY);
            listener.ok_or_else(refused)?.send(far).await.map_err(|_| refused())?;
            Ok(Box::new(near) as BoxedStream)
        })
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        let (sender, incoming) = mpsc::channel(64);
        let mut listeners = self.listeners.lock();
        let address = match address.strip_suffix(":0") {
            Some(host) => format!("{host}:{}", listeners.len() + 1),
            None => address.to_owned(),
        };
        let taken = listeners.get(&address).is_some_and(|earlier| !earlier.is_closed());
        if !taken {
            listeners.insert(address.clone(), sender);
        }
        Box::pin(async move {
            if taken {
                return Err(io::Error::from(io::ErrorKind::AddrInUse));
            }
            Ok(Box::new(PipeListener { address, incoming }) as Box<dyn Listener>)
        })
    }
}

struct PipeListener {
    address: String,
    incoming: mpsc::Receiver<DuplexStream>,
}

impl Listener for PipeListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Opening, String)>> {
        Box::pin(async move {
            match self.incoming.recv().await {
                Some(stream) => Ok((opened(Box::new(stream)), "pipe".to_owned())),
                None => Err(io::Error::from(io::ErrorKind::NotConnected)),
            }
        })
    }

    fn local_address(&self) -> String {
        self.address.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum There {
        Silence,
        Refusal,
        Node(u32),
    }

    async fn dial(there: There) -> io::Result<u32> {
        match there {
            There::Silence => std::future::pending().await,
            There::Refusal => Err(io::ErrorKind::ConnectionRefused.into()),
            There::Node(id) => Ok(id),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_several_addresses_the_first_that_answers_is_taken_and_a_refusal_holds_up_nobody() {
        use There::{Node, Refusal, Silence};
        let began = tokio::time::Instant::now();
        assert_eq!(first_of(vec![Node(1), Node(2)], dial).await.unwrap(), 1);
        assert_eq!(first_of(vec![Refusal, Refusal, Node(3)], dial).await.unwrap(), 3);
        let refused = first_of(vec![Refusal, Refusal], dial).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(first_of(vec![], dial).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(first_of(vec![Silence, Refusal, Node(3)], dial).await.unwrap(), 3);
        assert_eq!(began.elapsed().as_millis(), STAGGER.as_millis());
    }

    #[test]
    fn tcp_says_what_is_an_address_and_so_does_what_is_around_it() {
        let network = crate::wire::loopback::Loopback(Arc::new(Tcp::default()));
        network.check("localhost:7101").unwrap();
        assert!(network.check("0.0.0.0:7101").is_err());
        Pipes::default().check("n1:client").unwrap();
    }
}
