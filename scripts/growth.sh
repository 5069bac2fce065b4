#!/usr/bin/env bash
# How cost grows with subscriptions, fan-out, shards and connections: measures, and writes docs/performance.md with its
# plots and rows (docs/performance/). Under 15 minutes on a quiet 2-core machine.
#
#   scripts/growth.sh            everything
#   scripts/growth.sh engine     the engine without a network; the network's rows stay as they are
#   scripts/growth.sh network    the network; the engine's rows stay as they are
#   scripts/growth.sh page       draws again from the rows that are there
#
# The broker is pinned to CPU 0 and the generator to the last CPU; as root it may raise the limit on open files.
# Needs valgrind and python3; builds what it runs.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-all}
case "$what" in all | engine | network | page) ;; *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;; esac

folder=docs/performance
connections_max=100000
work=$(mktemp -d)
broker=
finish() {
  [ -z "$broker" ] || kill "$broker" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
mkdir -p "$folder"

release="${CARGO_TARGET_DIR:-target}/release"
cargo build --release --locked -q -p ringwire-bench-engine --bin growth

engine() {
  "$release/growth" measure >"$work/engine.tsv"
  mv "$work/engine.tsv" "$folder/engine.tsv"
}

# start_broker SHARDS: on CPU 0, address in $address, pid in $broker.
start_broker() {
  mkdir -p "$work/data"
  # What the last broker said must not be taken for this one's.
  : >"$work/broker.out"
  "$release/ringwire" serve --shards "$1" --cores 0 --admin off --data "$work/data" --listen mqtt://127.0.0.1:0 \
    --set limits.queue_messages=1000000 --set limits.queue_bytes=512MB >"$work/broker.out" 2>"$work/broker.log" &
  broker=$!
  for _ in $(seq 100); do
    address=$(sed -n 's/^ready .*\(mqtt:\/\/[0-9.:]*\).*/\1/p' "$work/broker.out")
    [ -z "$address" ] || return 0
    sleep 0.1
  done
  cat "$work/broker.log" >&2
  echo "growth.sh: the broker did not start" >&2
  exit 1
}

stop_broker() {
  kill "$broker"
  wait "$broker" || true
  broker=
}

# bench SHARDS SCENARIO FLAGS...: a fresh broker, one run, its report in $work/report.json.
bench() {
  local shards=$1
  shift
  start_broker "$shards"
  timeout 120 "$release/ringwire" bench "$@" --target "$address" --broker-pid "$broker" --json "$work/report.json" --quiet \
    >"$work/bench.out" 2>&1 || { cat "$work/bench.out" >&2; echo "growth.sh: ringwire bench $* failed" >&2; exit 1; }
  stop_broker
}

# row CHART SERIES X EXPRESSION: one row, of the report `o` (its outcome) in Python.
row() {
  python3 - "$work/report.json" "$@" <<'PYTHON' >>"$work/network.tsv"
import json, sys
path, chart, series, x, expression = sys.argv[1:]
o = json.load(open(path))["outcome"]
b = o["broker"]
print(f"{chart}\t{series}\t{x}\t{eval(expression):.3f}")
PYTHON
}

# Medians of three fresh brokers, by running the same thing thrice and keeping the middle row.
thrice() {
  local chart=$1 series=$2 x=$3 expression=$4
  shift 4
  local kept="$work/kept.tsv"
  mv "$work/network.tsv" "$kept" 2>/dev/null || : >"$kept"
  for _ in 1 2 3; do
    bench "$@"
    row "$chart" "$series" "$x" "$expression"
  done
  sort -t "$(printf '\t')" -k4,4g "$work/network.tsv" | sed -n 2p >>"$kept"
  mv "$kept" "$work/network.tsv"
  tail -1 "$work/network.tsv" >&2
}

network() {
  cargo build --release --locked -q
  : >"$work/network.tsv"
  local n limit
  for n in 10 30 100 300 1000; do
    thrice network-fan-out "a delivery" "$n" 'b["cpu_seconds_per_million"]' \
      1 fan-out --subscribers "$n" --warmup 1s --duration 3s
  done
  for n in 1 2 4 8; do
    thrice network-shards "a message" "$n" 'b["cpu_seconds_per_million"]' \
      "$n" p2p --publishers 100 --window 100 --warmup 1s --duration 3s
  done
  # Each process has an end of every connection; a little more for itself.
  ulimit -n $((connections_max + 1000)) 2>/dev/null || ulimit -n "$(ulimit -Hn)"
  limit=$(($(ulimit -n) - 1000))
  for n in 1000 3000 10000 30000 100000; do
    if [ "$n" -gt "$limit" ]; then
      [ "$((n / 3))" -lt "$limit" ] && n=$limit || break
    fi
    bench 1 conn --connections "$n" --source-addresses 8 --duration 2s
    row connection-memory "the broker" "$n" 'b["rss_bytes_per_connection"]'
    row connection-cpu "a connection" "$n" \
      '1e6 * (next(s for s in o["series"] if s["connected"] == o["connections"]["made"])["broker_cpu_seconds"]
       - o["series"][0]["broker_cpu_seconds"]) / o["connections"]["made"]'
    tail -2 "$work/network.tsv" >&2
    [ "$n" -lt "$limit" ] || break
  done
  mv "$work/network.tsv" "$folder/network.tsv"
}

machine() {
  local cpu
  cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -1)
  printf 'Measured on %s, %s CPUs (%s), Linux %s, %s; commit %s.' "$(date -u +%F)" "$(nproc)" "$cpu" "$(uname -r)" \
    "$(rustc --version | cut -d' ' -f1,2)" "$(git rev-parse --short HEAD)"
}

case "$what" in
  all) engine; network ;;
  engine) engine ;;
  network) network ;;
  page) ;;
esac
if [ "$what" != page ]; then machine >"$folder/machine.txt"; fi
cat "$folder"/*.tsv >"$work/rows.tsv"
"$release/growth" report "$work/rows.tsv" "$(cat "$folder/machine.txt")" "$folder" >"$work/page.md"
mv "$work/page.md" docs/performance.md
echo "wrote docs/performance.md"
