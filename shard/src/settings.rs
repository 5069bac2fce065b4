//! What the shards are told at start: cores, rings, buffers, and where to listen. Read from the configuration by `src/`.

use crate::Authority;
use std::net::SocketAddr;
use std::sync::Arc;

/// Settings of a node's shards.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The engines' settings; `engine.shards == cores.len()`, `engine.listeners.len() == binds.len()`.
    pub engine: Arc<ringwire_core::Settings>,
    /// One row a shard.
    pub cores: Vec<Core>,
    /// One row a listener, by `ListenerId`.
    pub binds: Vec<Bind>,
    /// Batches that wait in the mesh from one shard to one other before it counts as full.
    pub mesh_batches: usize,
    /// Who answers what the engines ask; `None` where they have nothing to ask: without `Access::methods`.
    pub authority: Option<Authority>,
}

/// One shard's core, ring and turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// CPU to pin to; `None`: not pinned.
    pub cpu: Option<usize>,
    /// Submission queue entries of the network ring, a power of two.
    pub sq_entries: u32,
    /// Completion queue entries, a power of two.
    pub cq_entries: u32,
    /// Receive buffers shared by the shard's connections, a power of two up to 32,768.
    pub buffers: u16,
    /// Bytes of each.
    pub buffer_bytes: u32,
    /// Whether the receive buffers should lie in huge pages.
    pub huge_pages: HugePages,
    /// Completions handled in one turn, so that no connection starves another.
    pub inputs_per_turn: usize,
    /// Microseconds to spin before parking; 0: park at once.
    pub spin_us: u64,
    /// Microseconds that a busy shard waits for more input where that costs no throughput; 0: never.
    pub coalesce_us: u64,
    /// Nanoseconds of glommio's preempt timer. 100 ms by default; the tests that provoke its false park set less. Below
    /// some 10 microseconds glommio runs nothing at all.
    pub preempt_timer_ns: u64,
}

/// Memory in pages of 2 MiB: fewer misses of the CPU's address cache, and all of it resident from the first touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HugePages {
    /// Ordinary pages.
    Off,
    /// Reserved ones (`vm.nr_hugepages`) if there are enough, else transparent ones, else ordinary pages.
    Try,
}

impl Default for Core {
    fn default() -> Self {
        Self {
            cpu: None,
            sq_entries: 1_024,
            cq_entries: 16_384,
            buffers: 2_048,
            buffer_bytes: 4_096,
            huge_pages: HugePages::Off,
            inputs_per_turn: 1_024,
            spin_us: 0,
            coalesce_us: 75,
            preempt_timer_ns: 100_000_000,
        }
    }
}

/// Where a listener listens and how its sockets are set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Address; port 0 lets the kernel choose (one port for all shards).
    pub address: SocketAddr,
    /// Backlog of each shard's listening socket.
    pub backlog: u32,
    /// TCP_NODELAY on accepted sockets.
    pub nodelay: bool,
    /// Whether a shard's listening socket asks for the connections whose packets arrive on the shard's CPU.
    pub incoming_cpu: bool,
    /// Milliseconds a socket may take nothing before it is closed.
    pub send_timeout_ms: u64,
}

impl Bind {
    /// The defaults for an address.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            backlog: 1_024,
            nodelay: true,
            incoming_cpu: false,
            send_timeout_ms: 15_000,
        }
    }
}
