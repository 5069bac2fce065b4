//! Sockets of programs that connect to a broker with a ring of their own: the load generator.
//!
//! [`socket`] makes one, [`Ring::connect`](crate::ring::Ring::connect) connects it. Not used by a shard, which only accepts.

use crate::ring::system::{self, Resource};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};

/// A socket that can be connected to `target`, without Nagle's delay. From `source`, if one is named: the port is then
/// chosen when it connects, so that one source address serves every port for each target.
pub fn socket(target: &SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = system::tcp_socket(target)?;
    system::set_option(&socket, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
    if let Some(source) = source {
        system::set_option(&socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
        system::bind(&socket, &SocketAddr::new(source, 0))?;
    }
    Ok(TcpStream::from(socket))
}

/// Raises the soft limit on open files to the hard one and says how many files may then be open.
pub fn raise_open_files() -> io::Result<u64> {
    Resource::OpenFiles.raise().map(|limit| limit.soft)
}
