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

/// Milliseconds for which nothing is accepted when the process has no descriptor left.
const PAUSE_MS: u64 = 100;

/// Milliseconds between two log lines about that.
const COMPLAIN_MS: u64 = 10_000;

/// Binds one listener for each of `shards`. Their address has the port that the kernel chose, if 0 was asked for.
pub(crate) fn bind(
    name: &str,
    bind: &Bind,
    shards: usize,
) -> Result<(SocketAddr, Vec<TcpListener>), StartError> {
    share(bind, shards).map_err(|source| StartError::Bind {
        listener: name.to_owned(),
        address: bind.address,
        source,
    })
}

fn share(bind: &Bind, shards: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let first = first(bind)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..shards {
        listeners.push(another(bind, &address)?);
    }
    Ok((address, listeners))
}

/// Bound before it shares its port, so that a port which somebody else shares counts as taken.
fn first(bind: &Bind) -> io::Result<TcpListener> {
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
    use std::collections::HashSet;
    use std::net::TcpStream;

    fn local() -> Bind {
        Bind::new(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    #[test]
    fn every_shard_listens_on_the_same_port() {
        let (address, listeners) = bind("mqtt", &local(), 4).unwrap();
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
    fn a_port_that_is_taken_is_refused_even_when_it_is_shared() {
        let (address, _listeners) = bind("mqtt", &local(), 2).unwrap();
        let mut again = local();
        again.address = address;
        let error = bind("other", &again, 2).unwrap_err();
        let StartError::Bind { listener, source, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(listener, "other");
        assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_port_is_free_again_once_its_listeners_are_gone() {
        let (address, listeners) = bind("mqtt", &local(), 2).unwrap();
        let _client = TcpStream::connect(address).unwrap();
        drop(listeners);
        let mut again = local();
        again.address = address;
        bind("mqtt", &again, 2).unwrap();
    }

    #[test]
    fn ipv6_is_bound_too_where_there_is_any() {
        let mut six = local();
        six.address = "[::1]:0".parse().unwrap();
        match bind("mqtt", &six, 2) {
            Ok((address, _)) => assert!(TcpStream::connect(address).is_ok()),
            Err(StartError::Bind { source, .. }) => {
                assert_eq!(source.raw_os_error(), Some(libc::EADDRNOTAVAIL))
            }
            Err(error) => panic!("{error}"),
        }
    }
}
