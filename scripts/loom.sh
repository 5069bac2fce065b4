#!/usr/bin/env bash
# Walks through the interleavings of the mesh, the doorbell and the mailbox, and demands that each mutant is found.
# These are ordinary tests, so `cargo test --workspace` runs them too; see docs/decisions/0003-mesh-and-doorbell.md.
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo test -p ringwire-shard-loom "$@"
