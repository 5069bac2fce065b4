//! A node: its shards, from the probe at start to the drain.
//!
//! Everything that can fail for want of a port or a limit fails before a thread runs. Each shard makes its ring on its
//! own thread (one submitter a ring), tells its bell, waits for the others' bells, and then accepts.

use crate::executor::{self, Kick};
use crate::mailbox::{Inbox, mailbox};
use crate::mesh::{Port, ports};
use crate::pump::{Parts, Pump};
use crate::ring::Ring;
use crate::{Mailbox, Question, Settings, listen, probe};
use ringwire_core::settings::Start;
use ringwire_core::{InterestMap, ShardId};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Why a node did not start. The text is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address cannot be bound.
    #[error("cannot listen on {address} ({listener}): {source}{}", bind_hint(source))]
    Bind {
        /// Name in the configuration.
        listener: String,
        /// Where.
        address: SocketAddr,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The kernel is older than what the ring needs, or lacks a part of it.
    #[error("Linux {release} is too old for Ringwire: it needs io_uring as in 6.1 or later")]
    OldKernel {
        /// What `uname -r` says.
        release: String,
    },
    /// The kernel was built without io_uring.
    #[error(
        "this kernel ({release}) has no io_uring, or a sandbox hides it: run Linux 6.1 or later, built with \
         CONFIG_IO_URING; in a container, allow io_uring in its seccomp profile"
    )]
    NoUring {
        /// What `uname -r` says.
        release: String,
    },
    /// The administrator has switched io_uring off.
    #[error(
        "io_uring is switched off (kernel.io_uring_disabled={value}): run `sysctl kernel.io_uring_disabled=0` as root"
    )]
    UringDisabled {
        /// The setting.
        value: u32,
    },
    /// A sandbox forbids io_uring.
    #[error(
        "io_uring is forbidden here, probably by a container's seccomp profile: allow io_uring_setup, io_uring_enter and \
         io_uring_register (docker: --security-opt seccomp=unconfined or a profile of your own)"
    )]
    UringForbidden,
    /// The limit on locked memory.
    #[error(
        "the limit on locked memory is {kib} KiB, but {needed_kib} KiB are needed: raise it with `ulimit -l {needed_kib}`, \
         or LimitMEMLOCK= in a systemd unit"
    )]
    LockedMemory {
        /// The limit.
        kib: u64,
        /// What is needed.
        needed_kib: u64,
    },
    /// The limit on open files.
    #[error(
        "the limit on open files is {limit}, but {needed} are needed before any client: raise it with `ulimit -n`, or \
         LimitNOFILE= in a systemd unit"
    )]
    OpenFiles {
        /// The limit.
        limit: u64,
        /// What is needed.
        needed: u64,
    },
    /// The limits cannot be read or raised.
    #[error("cannot read or raise the limits of this process: {0}")]
    Limits(std::io::Error),
    /// The network ring cannot be made, for a reason that has no better name.
    #[error("cannot set up io_uring: {source}")]
    Ring {
        /// What the kernel said.
        source: std::io::Error,
    },
    /// glommio could not start.
    #[error("cannot start shard {shard}{}: {reason}", on_cpu(*cpu))]
    Executor {
        /// Which shard.
        shard: u16,
        /// The CPU it was to be pinned to.
        cpu: Option<usize>,
        /// What glommio said.
        reason: String,
    },
    /// A thread could not be made.
    #[error("cannot start a thread for shard {shard}: {source}")]
    Thread {
        /// Which shard.
        shard: u16,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A shard's thread ended, or did nothing for too long, before it accepted.
    #[error("shard {shard} did not start within {} seconds", START_TIMEOUT.as_secs())]
    NotReady {
        /// Which shard.
        shard: u16,
    },
}

/// How long all shards together may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// How long nothing is heard from starting shards before they are kicked: see `executor.rs`.
const START_KICK: Duration = Duration::from_millis(50);

/// How long a shard may take to end once its time for a drain is up: its ring takes a second at most to let go.
const DRAIN_GRACE: Duration = Duration::from_millis(1_500);

fn bind_hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => ": another process listens there; stop it or choose another port",
        std::io::ErrorKind::PermissionDenied => ": ports below 1024 need root or CAP_NET_BIND_SERVICE",
        std::io::ErrorKind::AddrNotAvailable => ": no interface of this machine has that address",
        _ => "",
    }
}

fn on_cpu(cpu: Option<usize>) -> String {
    cpu.map(|cpu| format!(" on CPU {cpu}")).unwrap_or_default()
}

/// The running shards.
pub struct Node {
    addresses: Vec<SocketAddr>,
    mailboxes: Vec<Mailbox>,
    threads: Vec<JoinHandle<()>>,
    started_unix_ms: u64,
}

/// What a shard tells the starting thread.
type Report = (ShardId, Result<Ready, StartError>);

enum Ready {
    /// The ring is made.
    Ring(Introduction),
    Accepting,
}

struct Introduction {
    /// How to ring the shard.
    bell: OwnedFd,
    /// How to wake its executor, should that park before it has begun.
    kick: Kick,
    /// Where it wants to hear of all bells.
    tell: Sender<Arc<[OwnedFd]>>,
}

/// The settings with what is known now: each shard's time counts from here.
fn started(mut settings: Settings, addresses: &[SocketAddr]) -> Settings {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Arc::make_mut(&mut settings.engine).start = Start {
        unix_ms: unix.as_millis() as u64,
        ports: addresses.iter().map(SocketAddr::port).collect(),
    };
    settings
}

impl Node {
    /// Probes the kernel, binds, starts every shard; returns when all of them accept.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let shards = settings.cores.len();
        assert!(
            shards > 0 && shards == usize::from(settings.engine.shards),
            "one row a shard"
        );
        assert_eq!(
            settings.binds.len(),
            settings.engine.listeners.len(),
            "one row a listener"
        );
        probe::probe(&settings)?;
        let (addresses, doors) = bind_all(&settings)?;
        let origin = Instant::now();
        let settings = Arc::new(started(settings, &addresses));
        let interest = Arc::new(InterestMap::new(settings.engine.seed));
        let ports = ports(shards as u16, settings.mesh_batches);
        let (mailboxes, inboxes) = mailboxes(&ports)?;
        let (reports, reported) = channel();
        let mut threads = Vec::with_capacity(shards);
        for ((port, inbox), listeners) in ports.into_iter().zip(inboxes).zip(doors) {
            let shard = port.shard();
            let parts = Parts {
                shard,
                interest: Arc::clone(&interest),
                settings: Arc::clone(&settings),
                listeners,
                port,
                inbox,
                origin,
            };
            threads.push(spawn(parts, reports.clone())?);
        }
        drop(reports);
        introduce(&reported, shards)?;
        Ok(Self {
            addresses,
            mailboxes,
            threads,
            started_unix_ms: settings.engine.start.unix_ms,
        })
    }

    /// The bound address of each listener, by `ListenerId`.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The time of day when the shards' time began, in milliseconds since 1970.
    pub fn started_unix_ms(&self) -> u64 {
        self.started_unix_ms
    }

    /// One mailbox a shard.
    pub fn mailboxes(&self) -> &[Mailbox] {
        &self.mailboxes
    }

    /// Stops accepting, tells MQTT 5 clients 0x8B, flushes, ends the shards. True when all ended within `timeout`.
    pub fn drain(self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        let deadline_ms = timeout.as_millis() as u64;
        for mailbox in &self.mailboxes {
            let mut question = Question::Drain { deadline_ms };
            // Given back by a shard that is gone, or whose askers are many: those are answered in a moment.
            while let Err(back) = mailbox.ask(question)
                && Instant::now() < until
            {
                question = back;
                thread::sleep(Duration::from_millis(1));
            }
        }
        // A shard ends by itself at its deadline; it has a moment more for that, enough for a busy machine.
        let until = until + DRAIN_GRACE;
        self.threads.into_iter().all(|thread| {
            while !thread.is_finished() {
                if Instant::now() >= until {
                    return false;
                }
                thread::sleep(Duration::from_millis(1));
            }
            thread.join().is_ok()
        })
    }
}

/// Every listener of every shard: addresses by listener, sockets by shard and then by listener.
fn bind_all(settings: &Settings) -> Result<(Vec<SocketAddr>, Vec<Vec<TcpListener>>), StartError> {
    let shards = settings.cores.len();
    let mut addresses = Vec::new();
    let mut doors: Vec<Vec<TcpListener>> = (0..shards).map(|_| Vec::new()).collect();
    let cpus: Vec<_> = settings.cores.iter().map(|core| core.cpu).collect();
    for (bind, listener) in settings.binds.iter().zip(&settings.engine.listeners) {
        let (address, sockets) = listen::bind(&listener.name, bind, &cpus)?;
        addresses.push(address);
        for (door, socket) in doors.iter_mut().zip(sockets) {
            door.push(socket);
        }
    }
    Ok((addresses, doors))
}

fn mailboxes(ports: &[Port]) -> Result<(Vec<Mailbox>, Vec<Inbox>), StartError> {
    let pairs = ports
        .iter()
        .map(|port| mailbox(Arc::clone(port.doorbells()), port.shard()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| StartError::Ring { source })?;
    Ok(pairs.into_iter().unzip())
}

/// Collects every shard's bell, gives all bells to each, and waits until each accepts.
fn introduce(reported: &Receiver<Report>, shards: usize) -> Result<(), StartError> {
    let until = Instant::now() + START_TIMEOUT;
    let mut introductions: BTreeMap<ShardId, Introduction> = BTreeMap::new();
    let mut accepting = vec![false; shards];
    while let Some(missing) = accepting.iter().position(|accepts| !accepts) {
        match reported.recv_timeout(START_KICK) {
            Ok((shard, report)) => match report? {
                Ready::Ring(introduction) => {
                    introductions.insert(shard, introduction);
                    if introductions.len() == shards {
                        tell_bells(&introductions)?;
                    }
                }
                Ready::Accepting => accepting[shard.index()] = true,
            },
            Err(RecvTimeoutError::Timeout) if Instant::now() < until => {
                introductions
                    .values()
                    .for_each(|introduction| introduction.kick.kick());
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Err(StartError::NotReady {
                    shard: missing as u16,
                });
            }
        }
    }
    Ok(())
}

/// Tells each shard how to ring each other.
fn tell_bells(introductions: &BTreeMap<ShardId, Introduction>) -> Result<(), StartError> {
    let bells = introductions
        .values()
        .map(|introduction| introduction.bell.try_clone());
    let bells = bells.collect::<Result<Arc<[OwnedFd]>, _>>();
    let bells = bells.map_err(|source| StartError::Ring { source })?;
    for introduction in introductions.values() {
        // A shard that is gone has reported why.
        let _ = introduction.tell.send(Arc::clone(&bells));
    }
    Ok(())
}

fn spawn(parts: Parts, reports: Sender<Report>) -> Result<JoinHandle<()>, StartError> {
    let shard = parts.shard;
    thread::Builder::new()
        .name(format!("ringwire-{}", shard.0))
        .spawn(move || {
            let fatal = Fatal(shard);
            // The starting thread may have given up already.
            if let Err(error) = shard_main(parts, &reports) {
                let _ = reports.send((shard, Err(error)));
            }
            drop(fatal);
        })
        .map_err(|source| StartError::Thread {
            shard: shard.0,
            source,
        })
}

/// A shard that panics leaves its clients without a home: the process ends, and whoever runs it starts it again.
struct Fatal(ShardId);

impl Drop for Fatal {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "ringwire: shard {} panicked (see above); ending the process",
                self.0.0
            );
            std::process::abort();
        }
    }
}

/// The life of a shard's thread. Errors are those of its start.
fn shard_main(parts: Parts, reports: &Sender<Report>) -> Result<(), StartError> {
    let shard = parts.shard;
    let core = parts.settings.cores[shard.index()].clone();
    let (executor, background) = executor::make(shard, &core)?;
    let alone = executor::alone();
    let ring = Ring::new(&core).map_err(probe::ring_refused)?;
    drop(alone);
    let (tell, told) = channel();
    let introduction = Introduction {
        bell: ring.bell().map_err(probe::ring_refused)?,
        kick: background.kick(),
        tell,
    };
    let report = |ready| reports.send((shard, Ok(ready)));
    if report(Ready::Ring(introduction)).is_err() {
        return Ok(());
    }
    // Another shard did not start: this one has nothing to do.
    let Ok(bells) = told.recv() else {
        return Ok(());
    };
    let mut pump = Pump::new(parts, ring, bells, background);
    pump.open().map_err(probe::ring_refused)?;
    let ended = executor.run(async {
        // Nobody listens when another shard could not start; the process ends then.
        let _ = report(Ready::Accepting);
        pump.run().await
    });
    // The ring is the shard's life: without it nothing can be told to anyone.
    ended.unwrap_or_else(|error| panic!("the network ring failed: {error}"));
    Ok(())
}
