//! Instructions of codec, topic index and engine, counted by callgrind: the same on a busy machine as on a quiet one.
//!
//! Every case does [`UNITS`] of what it is named after (messages, deliveries, matches, packets), so a count divided by
//! that is the cost of one. `scripts/instructions.sh` runs this, prints the table and fails where a committed limit
//! (`limits.txt`) is passed; it says there how to raise one. Needs valgrind and gungraun-runner.
//!
//! A profile of one case: `scripts/instructions.sh --profile play.qos1_pair`.

#![allow(missing_docs)] // the macros make modules without any

mod codec;
mod engine;
mod index;

use codec::codec_group;
use engine::engine_group;
use gungraun::{Callgrind, LibraryBenchmarkConfig};
use index::index_group;

/// The allocator of the broker.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What every case does so many times.
pub const UNITS: usize = 10_000;

// Without the simulated caches it takes half as long; `-- --callgrind-args=--cache-sim=yes` turns them on.
gungraun::main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"]));
    library_benchmark_groups = codec_group,
    index_group,
    engine_group
);
