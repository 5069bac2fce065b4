#!/usr/bin/env bash
# Runs the simulation over many seeds: scripts/soak-sim.sh [SEEDS] [FIRST SEED]. A failing seed ends it with
# the last part of its trace and the command that plays it again.
set -euo pipefail
cd "$(dirname "$0")/.."
RINGWIRE_SIM_SEEDS="${1:-100000}" RINGWIRE_SIM_START="${2:-0}" \
  cargo test --test sim every_check_holds_for_every_seed -- --nocapture
