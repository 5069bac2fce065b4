//! The listening sockets: one a shard for each listener, sharing a port.
//!
//! The kernel spreads new connections over them. A port that somebody else listens on is refused although sharing ports
//! would allow it: two brokers that silently halve each other's clients are worse than one that does not start.

use crate::ring::{Ring, system};
use crate::{Bind, StartError};
use ringwire_core::Time;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

/// Milliseconds for which nothing is accepted when the process has no descriptor left.
const PAUSE_MS: u64 = 100;

/// Milliseconds between two log lines about that.
const COMPLAIN_MS: u64 = 10_000;

/// How often a port that is taken is tried, in a second: a process that was killed keeps its ports for a moment after its
/// end, until the kernel has taken its rings apart, and it may be started again at once.
const TRIES: usize = 100;
const TRY_PAUSE: Duration = Duration::from_millis(10);

/// Binds one listener for each shard; `cpus`: where those are pinned. Their address has the port that the kernel chose,
/// if 0 was asked for.
pub(crate) fn bind(
    name: &str,
    bind: &Bind,
    cpus: &[Option<usize>],
) -> Result<(SocketAddr, Vec<TcpListener>), StartError> {
    share(bind, cpus).map_err(|source| StartError::Bind {
        listener: name.to_owned(),
        address: bind.address,
        source,
    })
}

fn share(bind: &Bind, cpus: &[Option<usize>]) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let first = first(bind)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..cpus.len() {
        listeners.push(another(bind, &address)?);
    }
    if bind.incoming_cpu {
        for (listener, cpu) in listeners.iter().zip(cpus) {
            prefer(listener, *cpu)?;
        }
    }
    Ok((address, listeners))
}

/// Asks for the connections whose packets the kernel takes on `cpu`. Kernels before 6.2 count this only among sockets that
/// do not share a port; where nobody asked for a connection's CPU, it goes to any.
fn prefer(listener: &TcpListener, cpu: Option<usize>) -> io::Result<()> {
    let Some(cpu) = cpu.and_then(|cpu| libc::c_int::try_from(cpu).ok()) else {
        return Ok(());
    };
    system::set_option(listener, libc::SOL_SOCKET, libc::SO_INCOMING_CPU, cpu)
}

/// A port that is taken may be free soon: see `TRIES`.
fn first(bind: &Bind) -> io::Result<TcpListener> {
    for _ in 1..TRIES {
        match exclusive(bind) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => thread::sleep(TRY_PAUSE),
            bound => return bound,
        }
    }
    exclusive(bind)
}

/// Bound before it shares its port, so that a port which somebody else shares counts as taken.
fn exclusive(bind: &Bind) -> io::Result<TcpListener> {
    let socket = socket(bind, &bind.address)?;
    system::bind(&socket, &bind.address)?;
    system::set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    system::listen(socket, bind.backlog)
}

fn another(bind: &Bind, address: &SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(bind, address)?;
    system::set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    system::bind(&socket, address)?;
    system::listen(socket, bind.backlog)
}

/// With the options that accepted sockets inherit.
fn socket(bind: &Bind, address: &SocketAddr) -> io::Result<OwnedFd> {
    let socket = system::tcp_socket(address)?;
    // A restart must not wait for the last run's connections to be forgotten.
    system::set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if bind.nodelay {
        system::set_option(&socket, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
    }
    Ok(socket)
}

/// One shard's end of a listener: whether it accepts, and when it will again.
#[derive(Debug)]
pub(crate) struct Door {
    /// `None` once it is closed for good.
    listener: Option<TcpListener>,
    opens_at: Option<Time>,
    complained: Option<Time>,
}

impl Door {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self {
            listener: Some(listener),
            opens_at: None,
            complained: None,
        }
    }

    /// Accepts from now on.
    pub(crate) fn open(&mut self, index: u32, ring: &mut Ring) {
        self.opens_at = None;
        if let Some(listener) = &self.listener {
            ring.accept(index, listener.as_fd());
        }
    }

    /// When it wants to be opened again.
    pub(crate) fn opens_at(&self) -> Option<Time> {
        self.opens_at
    }

    /// The kernel stopped accepting (`errno` 0: for no reason that it names). True when that is a pause, because
    /// something ran out; a client that went away before it was accepted is none.
    pub(crate) fn ended(&mut self, errno: i32, now: Time) -> bool {
        let ran_out = matches!(errno, libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM);
        if self.listener.is_some() {
            self.opens_at = Some(if ran_out { now + PAUSE_MS } else { now });
        }
        if ran_out && self.complained.is_none_or(|last| now >= last + COMPLAIN_MS) {
            self.complained = Some(now);
            let error = io::Error::from_raw_os_error(errno);
            tracing::warn!(%error, "cannot accept for now: raise the limit on open files (ulimit -n, LimitNOFILE=)");
        }
        ran_out
    }

    /// Accepts nothing any more; those whom the kernel has accepted already are refused.
    pub(crate) fn close(&mut self, index: u32, ring: &mut Ring) {
        self.opens_at = None;
        if self.listener.take().is_some() {
            ring.cancel_accept(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Core, executor};
    use ringwire_core::ShardId;
    use std::collections::HashSet;
    use std::net::TcpStream;

    fn local() -> Bind {
        Bind::new(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    #[test]
    fn every_shard_listens_on_the_same_port() {
        let (address, listeners) = bind("mqtt", &local(), &[None; 4]).unwrap();
        assert_ne!(address.port(), 0);
        assert_eq!(listeners.len(), 4);
        for listener in &listeners {
            assert_eq!(listener.local_addr().unwrap(), address);
            listener.set_nonblocking(true).unwrap();
        }
        let clients: Vec<_> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
        let mut got = HashSet::new();
        let mut accepted = 0;
        for (index, listener) in listeners.iter().enumerate() {
            while let Ok((socket, _)) = listener.accept() {
                accepted += 1;
                got.insert(index);
                assert!(
                    socket.nodelay().unwrap(),
                    "options are inherited from the listener"
                );
            }
        }
        assert_eq!(accepted, clients.len());
        assert_eq!(got.len(), 4, "the kernel spreads connections over the listeners");
    }

    #[test]
    fn nodelay_is_as_the_listener_says() {
        for nodelay in [true, false] {
            let asked = Bind { nodelay, ..local() };
            let (address, listeners) = bind("emqtcp", &asked, &[None]).unwrap();
            let _client = TcpStream::connect(address).unwrap();
            let (socket, _) = listeners[0].accept().unwrap();
            assert_eq!(socket.nodelay().unwrap(), nodelay);
        }
    }

    #[test]
    fn a_port_that_is_given_back_soon_is_waited_for() {
        let (address, listeners) = bind("mqtt", &local(), &[None]).unwrap();
        let older = thread::spawn(move || {
            thread::sleep(10 * TRY_PAUSE);
            drop(listeners);
        });
        let mut again = local();
        again.address = address;
        assert!(bind("mqtt", &again, &[None]).is_ok());
        older.join().unwrap();
    }

    #[test]
    fn a_port_that_is_taken_is_refused_even_when_it_is_shared() {
        let (address, _listeners) = bind("mqtt", &local(), &[None; 2]).unwrap();
        let mut again = local();
        again.address = address;
        let error = bind("other", &again, &[None; 2]).unwrap_err();
        let StartError::Bind { listener, source, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(listener, "other");
        assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_port_is_free_again_once_its_listeners_are_gone() {
        let (address, listeners) = bind("mqtt", &local(), &[None; 2]).unwrap();
        let _client = TcpStream::connect(address).unwrap();
        drop(listeners);
        let mut again = local();
        again.address = address;
        bind("mqtt", &again, &[None; 2]).unwrap();
    }

    #[test]
    fn ipv6_is_bound_too_where_there_is_any() {
        let mut six = local();
        six.address = "[::1]:0".parse().unwrap();
        match bind("mqtt", &six, &[None; 2]) {
            Ok((address, _)) => assert!(TcpStream::connect(address).is_ok()),
            Err(StartError::Bind { source, .. }) => {
                assert_eq!(source.raw_os_error(), Some(libc::EADDRNOTAVAIL))
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// How many of 40 connections made on a CPU are accepted by each of two listeners, which asked for CPUs 0 and 1.
    fn accepted(incoming_cpu: bool, cpu: usize) -> [usize; 2] {
        let asked = Bind {
            incoming_cpu,
            ..local()
        };
        let (address, listeners) = bind("mqtt", &asked, &[Some(0), Some(1)]).unwrap();
        let clients = std::thread::spawn(move || {
            let core = Core {
                cpu: Some(cpu),
                ..Core::default()
            };
            // Pins this thread; the loopback's packets are taken where they are sent.
            let _pinned = executor::make(ShardId(0), &core).ok()?;
            Some(
                (0..40)
                    .map(|_| TcpStream::connect(address).unwrap())
                    .collect::<Vec<_>>(),
            )
        });
        let _clients = clients.join().unwrap().expect("this CPU may be used");
        let count = |listener: &TcpListener| {
            listener.set_nonblocking(true).unwrap();
            std::iter::from_fn(|| listener.accept().ok()).count()
        };
        [count(&listeners[0]), count(&listeners[1])]
    }

    #[test]
    fn a_listener_gets_the_connections_of_the_cpu_that_it_asked_for() {
        if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
            return;
        }
        let spread = accepted(false, 0);
        assert!(spread[0] > 0 && spread[1] > 0, "{spread:?}");
        // On a busy machine a packet may be taken elsewhere, by the kernel's own thread.
        let (of_first, of_second) = (accepted(true, 0), accepted(true, 1));
        assert!(
            of_first[0] >= 30 && of_second[1] >= 30,
            "{of_first:?} {of_second:?}"
        );
    }
}
