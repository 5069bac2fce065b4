#!/usr/bin/env bash
# The tables of docs/tuning.md: each setting at a few values, under the load that feels it, in interleaved rounds.
#
#   scripts/tuning-figures.sh [TABLE...]        spin coalesce buffers buffer_bytes turns huge_pages shards; all of them without one
#
#   ROUNDS=3 SECONDS_EACH=2     rounds, and seconds measured in each; all tables then take about five minutes
#   RINGWIRE=target/release/ringwire            the binary
#   BROKER_CORES=0 LOAD_CORE=1                  CPUs of the broker's shards and of the generator
#
# Only figures of one table of one run may be compared with each other. Needs python3.
set -euo pipefail
cd "$(dirname "$0")/.."
export RINGWIRE="${RINGWIRE:-target/release/ringwire}"
[ -x "$RINGWIRE" ] || { echo "$RINGWIRE is not there: cargo build --release" >&2; exit 1; }
exec python3 - "$@" <<'PYTHON'
import json, os, re, statistics, subprocess, sys, urllib.request

RINGWIRE = os.environ["RINGWIRE"]
ROUNDS = int(os.environ.get("ROUNDS", 3))
SECONDS = os.environ.get("SECONDS_EACH", "2")
BROKER, LOAD = os.environ.get("BROKER_CORES", "0"), os.environ.get("LOAD_CORE", "1")

def shard(key, values):
    return [(str(value), ["--set", f"shard.{key}={value}"]) for value in values]

def of_core(count, cores):
    return (f"{count} on CPU {cores}", ["--shards", str(count), "--cores", cores])

SATURATED = ["p2p", "--publishers", "10", "--qos", "0"]
# Name: what is run, and the settings that are compared, the first one being what the others are divided by.
TABLES = {
    "spin": (["echo", "--publishers", "50"], shard("spin", ["0", "50us", "100us"])),
    "coalesce": (["p2p", "--publishers", "1", "--qos", "0", "--rate", "60000"],
                 shard("coalesce", ["0us", "50us", "75us", "100us", "200us"])),
    "buffers": (["fan-in", "--publishers", "500", "--subscribers", "1", "--qos", "0", "--payload", "1024", "--window", "100"],
                shard("buffers", [2048, 64, 256, 4096])),
    "buffer_bytes": (SATURATED, shard("buffer_bytes", [4096, 2048, 8192, 16384])),
    "turns": (["wildcard", "--publishers", "50", "--subscribers", "50"], shard("inputs_per_turn", [1024, 64, 256, 4096])),
    "huge_pages": (SATURATED, shard("huge_pages", ["off", "try"])),
    "shards": (["p2p", "--publishers", "50", "--qos", "0", "--window", "32"],
               [of_core(1, BROKER), of_core(2, BROKER), of_core(2, f"{BROKER},{LOAD}")]),
}
# Title, how it is computed from the outcome of a run and the growth of the broker's counters, whether it is divided too.
COLUMNS = [
    ("messages/s", lambda run, by: run["messages"]["delivered"] / run["seconds"], True),
    ("CPU s/million", lambda run, by: run["broker"]["cpu_seconds_per_million"], True),
    ("p50 us", lambda run, by: run["latency"]["p50_us"], True),
    ("p99 us", lambda run, by: run["latency"]["p99_us"], True),
    ("busy %", lambda run, by: 100 * by["shard_busy_microseconds"] / by["shard_uptime_microseconds"], False),
    ("wait %", lambda run, by: 100 * by["shard_cpu_wait_microseconds"] / by["shard_uptime_microseconds"], False),
    ("spin %", lambda run, by: 100 * by["shard_spin_microseconds"] / by["shard_uptime_microseconds"], False),
    ("hits %", lambda run, by: 100 * by["shard_spin_hits"] / max(by["shard_spins"], 1), False),
    ("inputs/turn", lambda run, by: by["shard_inputs"] / by["shard_turns"], False),
    ("full %", lambda run, by: 100 * by["shard_turns_full"] / by["shard_turns"], False),
    ("calls/message", lambda run, by: by["shard_enters"] / (by["messages_received"] + by["messages_sent"]), False),
    ("dry", lambda run, by: by["shard_buffers_exhausted"], False),
    ("given", lambda run, by: by["given"], False),
]

def counters(admin):
    with urllib.request.urlopen(f"{admin}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    sums = {}
    for name, value in re.findall(r"^ringwire_(\w+)\{shard=\"\d+\"\} (\S+)$", text, re.M):
        sums[name] = sums.get(name, 0) + float(value)
    return sums

def outcome(node):
    """The one measurement in what `bench --json` writes."""
    if isinstance(node, dict) and "latency" in node and "messages" in node:
        return node
    parts = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    return next((found for found in map(outcome, parts) if found), None)

def run(load, settings):
    serve = [RINGWIRE, "serve", "--listen", "mqtt://127.0.0.1:0", "--admin", "127.0.0.1:0", "--set", "log.level=error"]
    cores = [] if "--cores" in settings else ["--cores", BROKER, "--shards", "1"]
    broker = subprocess.Popen(serve + cores + settings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        ready = next(line for line in broker.stdout if line.startswith("ready "))
        mqtt, admin = re.search(r"=(mqtt://\S+)", ready)[1], re.search(r"admin=(\S+)", ready)[1]
        before = counters(admin)
        bench = [RINGWIRE, "bench", *load, "--target", mqtt, "--broker-pid", str(broker.pid), "--cores", LOAD, "--warmup",
                 "500ms", "--duration", f"{SECONDS}s", "--quiet", "--json", "-"]
        done = subprocess.run(bench, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        found = outcome(json.loads(done.stdout)) if done.stdout.strip() else None
        if not found:
            sys.exit(f"{' '.join(bench)}\n{done.stderr}")
        after = counters(admin)
    finally:
        broker.kill()
        broker.wait()
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    grown["given"] = after["shard_buffers_given"]
    return {title: column(found, grown) for title, column, _ in COLUMNS}

def number(value):
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"

def table(name):
    load, rows = TABLES[name]
    print(f"\n### {name}\n\n`ringwire bench {' '.join(load)}`, medians of {ROUNDS} interleaved rounds of {SECONDS} s; "
          f"in brackets the median ratio to the first line\n")
    print("| | " + " | ".join(title for title, _, _ in COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|", flush=True)
    rounds = [[run(load, settings) for _, settings in rows] for _ in range(ROUNDS)]
    for at, (label, _) in enumerate(rows):
        cells = []
        for title, _, divided in COLUMNS:
            cell = number(statistics.median(measured[at][title] for measured in rounds))
            if divided and at > 0:
                ratios = [measured[at][title] / measured[0][title] for measured in rounds if measured[0][title]]
                cell += f" ({statistics.median(ratios):.2f})" if ratios else ""
            cells.append(cell)
        print(f"| {label} | " + " | ".join(cells) + " |", flush=True)

names = sys.argv[1:] or list(TABLES)
unknown = [name for name in names if name not in TABLES]
if unknown:
    sys.exit(f"no table {', '.join(unknown)}: there are {', '.join(TABLES)}")
for name in names:
    table(name)
PYTHON
