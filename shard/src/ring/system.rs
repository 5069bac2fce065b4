//! System calls that neither std nor the io-uring crate wraps: limits of the process, listening sockets that share a
//! port, and what TCP has got through. Each is a small safe function; nothing here keeps state.

use std::io;
use std::mem::size_of;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Soft and hard limit of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub soft: u64,
    pub hard: u64,
}

/// The resources that Ringwire looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resource {
    OpenFiles,
    LockedMemory,
}

impl Resource {
    fn code(self) -> libc::__rlimit_resource_t {
        match self {
            Resource::OpenFiles => libc::RLIMIT_NOFILE,
            Resource::LockedMemory => libc::RLIMIT_MEMLOCK,
        }
    }

    /// The limit of this process.
    pub(crate) fn limit(self) -> io::Result<Limit> {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the kernel writes one `rlimit` to a valid address.
        check(unsafe { libc::getrlimit(self.code(), &mut limit) })?;
        Ok(Limit {
            soft: limit.rlim_cur,
            hard: limit.rlim_max,
        })
    }

    /// Raises the soft limit to the hard one and says what is then allowed.
    pub(crate) fn raise(self) -> io::Result<Limit> {
        let before = self.limit()?;
        if before.soft == before.hard {
            return Ok(before);
        }
        let limit = libc::rlimit {
            rlim_cur: before.hard,
            rlim_max: before.hard,
        };
        // SAFETY: the kernel reads one `rlimit` from a valid address.
        check(unsafe { libc::setrlimit(self.code(), &limit) })?;
        self.limit()
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// CPU time that the calling thread has used since it began, in user space and in the kernel. A system call: not for
/// every turn.
pub(crate) fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes one `timespec` to a valid address. It fails for unknown clocks only, and leaves zero then.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How long the calling thread has waited for a CPU since it began; zero where the kernel does not count it. Reads a file.
pub(crate) fn thread_cpu_wait() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let waited = text.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    Duration::from_nanos(waited.unwrap_or(0))
}

/// A TCP socket of an address' family, close-on-exec, blocking (the ring does not need it otherwise).
pub(crate) fn tcp_socket(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    // SAFETY: no memory is passed.
    let fd = check(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets a boolean or number option of a socket.
pub(crate) fn set_option(
    socket: &impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the kernel reads one `c_int` from a valid address.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    check(result).map(drop)
}

/// An address as the kernel takes it.
pub(crate) enum SocketAddress {
    V4(libc::sockaddr_in),
    V6(libc::sockaddr_in6),
}

impl SocketAddress {
    pub(crate) fn of(address: &SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => Self::V4(libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(address.ip().octets()),
                },
                sin_zero: [0; 8],
            }),
            SocketAddr::V6(address) => Self::V6(libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr {
                    s6_addr: address.ip().octets(),
                },
                sin6_scope_id: address.scope_id(),
            }),
        }
    }

    /// Where it stands in memory, and its length. Valid while `self` neither moves nor goes away.
    pub(crate) fn raw(&self) -> (*const libc::sockaddr, libc::socklen_t) {
        match self {
            Self::V4(address) => (
                (&raw const *address).cast(),
                size_of::<libc::sockaddr_in>() as libc::socklen_t,
            ),
            Self::V6(address) => (
                (&raw const *address).cast(),
                size_of::<libc::sockaddr_in6>() as libc::socklen_t,
            ),
        }
    }
}

/// Binds a socket.
pub(crate) fn bind(socket: &OwnedFd, address: &SocketAddr) -> io::Result<()> {
    let address = SocketAddress::of(address);
    let (start, length) = address.raw();
    // SAFETY: start and length of one address of its family, which lives across the call.
    check(unsafe { libc::bind(socket.as_raw_fd(), start, length) }).map(drop)
}

/// Listens.
pub(crate) fn listen(socket: OwnedFd, backlog: u32) -> io::Result<TcpListener> {
    let backlog = libc::c_int::try_from(backlog).unwrap_or(libc::c_int::MAX);
    // SAFETY: no memory is passed.
    check(unsafe { libc::listen(socket.as_raw_fd(), backlog) })?;
    Ok(TcpListener::from(socket))
}

/// Closing this socket will forget what it has not sent, with a reset to the peer.
pub(crate) fn reset_on_close(socket: BorrowedFd<'_>) -> io::Result<()> {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: the kernel reads one `linger` from a valid address.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        )
    };
    check(result).map(drop)
}

/// Bytes of this connection that the peer has acknowledged since it was opened: whether a slow reader moves at all.
pub(crate) fn bytes_acknowledged(socket: BorrowedFd<'_>) -> io::Result<u64> {
    /// Offset of `tcpi_bytes_acked` in the kernel's `struct tcp_info` (Linux 4.1 and later; the struct only grows).
    const BYTES_ACKED: usize = 120;
    let mut info = [0u8; BYTES_ACKED + 8];
    let mut length = info.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to a buffer of that length.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &mut length,
        )
    };
    check(result)?;
    let mut number = [0u8; 8];
    number.copy_from_slice(&info[BYTES_ACKED..]);
    Ok(u64::from_ne_bytes(number))
}

/// What has no name but its kind: how the descriptors that glommio makes and does not show are found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anonymous {
    Ring,
    Eventfd,
}

impl Anonymous {
    /// Those that this process has open.
    pub(crate) fn open(self) -> Vec<RawFd> {
        let kind = match self {
            Anonymous::Ring => "anon_inode:[io_uring]",
            Anonymous::Eventfd => "anon_inode:[eventfd]",
        };
        let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == kind))
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    }
}

/// A descriptor of our own for what another one stands for, close-on-exec.
pub(crate) fn duplicate(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed; a number that is no open descriptor is an error.
    let fd = check(unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0) })?;
    // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpStream;

    #[test]
    fn acknowledged_bytes_grow_with_what_the_peer_takes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_server, _) = listener.accept().unwrap();
        let before = bytes_acknowledged(client.as_fd()).unwrap();
        client.write_all(&[7; 1_000]).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while bytes_acknowledged(client.as_fd()).unwrap() < before + 1_000 {
            assert!(std::time::Instant::now() < deadline, "nothing was acknowledged");
            std::thread::yield_now();
        }
    }

    #[test]
    fn cpu_time_grows_with_work_and_not_with_sleep() {
        let before = thread_cpu_time();
        std::thread::sleep(Duration::from_millis(300));
        let slept = thread_cpu_time();
        assert!(
            slept - before < Duration::from_millis(100),
            "{:?}",
            slept - before
        );
        while thread_cpu_time() - slept < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn waiting_for_a_cpu_is_counted() {
        use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
        if !std::path::Path::new("/proc/thread-self/schedstat").exists() {
            return;
        }
        let busy = 2 * std::thread::available_parallelism().map_or(1, usize::from);
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        // All go on until each has waited: the last one alone would wait for nobody.
        let waited = AtomicUsize::new(0);
        let waits = || {
            let mut counted = false;
            while waited.load(Relaxed) < busy {
                if !counted && thread_cpu_wait() >= Duration::from_millis(1) {
                    waited.fetch_add(1, Relaxed);
                    counted = true;
                }
                assert!(
                    std::time::Instant::now() < deadline,
                    "{busy} busy threads never wait"
                );
            }
        };
        std::thread::scope(|threads| (0..busy).for_each(|_| drop(threads.spawn(waits))));
    }

    #[test]
    fn a_raised_limit_is_the_hard_one() {
        let raised = Resource::OpenFiles.raise().unwrap();
        assert_eq!(raised.soft, raised.hard);
    }
}
