#!/usr/bin/env bash
# Runs each fuzz target (or the named ones) for a number of seconds.
#
#   scripts/fuzz.sh SECONDS [TARGET...]
#
# Needs `cargo install cargo-fuzz`; works with the stable toolchain, without sanitizers (codec and core have no
# unsafe code, what a target can find is a panic or a failed check). The other targets read packets; `engine` plays scripts of
# what clients, shards and time do to a node of engines. What libFuzzer finds on the way stays in fuzz/work/TARGET, which
# git does not see; fuzz/corpus/TARGET is read only. An input that crashes a target is in fuzz/artifacts/TARGET: fix the
# cause and commit the input to fuzz/corpus/TARGET, so that the ordinary tests replay it.
set -euo pipefail

seconds=${1:?usage: scripts/fuzz.sh SECONDS [TARGET...]}
shift
cd "$(dirname "$0")/.."
export RUSTC_BOOTSTRAP=1

if [ $# -eq 0 ]; then
    mapfile -t targets < <(cargo fuzz list)
else
    targets=("$@")
fi

for target in "${targets[@]}"; do
    echo "== $target, $seconds s"
    mkdir -p "fuzz/work/$target"
    cargo fuzz run "$target" --sanitizer none --release \
        "fuzz/work/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 -verbosity=0
done
