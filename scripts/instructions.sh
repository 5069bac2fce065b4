#!/usr/bin/env bash
# Counts the instructions of codec, topic index and engine (benches/engine/instructions) and holds them against
# benches/engine/limits.txt: exits 1 when a case needs more than its limit, or has none.
#
#   scripts/instructions.sh            measure and compare (CI does this)
#   scripts/instructions.sh NAME       measure the cases with NAME in their name
#   scripts/instructions.sh --write    measure and write limits.txt: what was measured and 5 %
#   scripts/instructions.sh --profile CASE   where the instructions of one case go, by source file and by function
#
# A change that is worth its cost raises a limit on purpose: run it with --write, and commit limits.txt with the reason
# and the numbers before and after in the message. Numbers hold for the toolchain of rust-version and for x86_64.
#
# Line by line, after a run: callgrind_annotate --auto=yes target/gungraun/*/instructions/*/play.qos1_pair/callgrind.*.out
#
# Needs valgrind (Debian) and gungraun-runner: cargo install gungraun-runner --locked --version (see .ci/run)
set -euo pipefail
cd "$(dirname "$0")/.."

limits=benches/engine/limits.txt
units=$(sed -n 's/^pub const UNITS: usize = \([0-9_]*\);/\1/p' benches/engine/instructions/main.rs | tr -d _)
counts="${CARGO_TARGET_DIR:-target}/gungraun/ringwire-bench-engine"
mode=compare
filter=()
case "${1:-}" in
  --write) mode=write ;;
  --profile) case=${2:?a case, as in the table}; filter=("*::${case//./::}"); mode=profile ;;
  -*) sed -n '2,17s/^# \{0,1\}//p' "$0"; exit 2 ;;
  '') ;;
  *) filter=("*$1*"); mode=show ;;
esac
for tool in valgrind gungraun-runner; do
  command -v "$tool" >/dev/null || { echo "instructions.sh: $tool is not installed" >&2; exit 2; }
done

# Counts of an earlier build must not be read as this one's.
rm -rf "$counts"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! cargo bench --locked -q -p ringwire-bench-engine --bench instructions -- "${filter[@]}" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi

# Directory GROUP/FUNCTION.CASE, count in the `totals:` line of its callgrind file.
measured() {
  local file name
  for file in "$counts"/instructions/*/*/callgrind.*.out; do
    name=$(basename "$(dirname "$file")")
    awk -v name="$name" -v units="$units" '$1 == "totals:" { printf "%s %.1f\n", name, $2 / units }' "$file"
  done
}

# Lines of callgrind_annotate ("COUNT (PERCENT)  FILE:FUNCTION [OBJECT]") as instructions for one, dearest first.
profile() {
  local file
  file=$(echo "$counts"/instructions/*/*/callgrind.*.out)
  [ -f "$file" ] || { echo "instructions.sh: exactly one case, please: $file" >&2; exit 2; }
  printf '\nby source file, itself\n'
  callgrind_annotate --auto=no --tree=none --threshold=100 "$file" 2>/dev/null | annotated file | sort -rn | head -30
  printf '\nby function, with what it calls\n'
  callgrind_annotate --auto=no --tree=calling --threshold=100 --inclusive=yes "$file" 2>/dev/null | annotated function | sort -rn | head -50
}

annotated() {
  awk -v by="$1" -v units="$units" '
    match($0, /^ *[0-9,]+ \([ 0-9.]+%\)  /) {
      count = $1; gsub(",", "", count); count += 0
      rest = substr($0, RLENGTH + 1)
      if (rest ~ /^PROGRAM/) next
      sub(/ \[[^]]*\]$/, "", rest); sub(/^[*>]+ +/, "", rest); sub(/ \([0-9,]+x\)$/, "", rest)
      file = rest; sub(/:.*/, "", file)
      sub(/.*\/rustc\/[0-9a-f]*\//, "", file); sub(/.*\/registry\/src\/[^\/]*\//, "", file)
      name = rest; sub(/^[^:]*:/, "", name)
      if (by == "file") sum[file] += count
      else if (name ~ /^(std::|instructions::|__libc|main|\(below|0x)/) next
      else if (count > sum[name]) sum[name] = count
    }
    END { for (key in sum) printf "%10.1f  %s\n", sum[key] / units, key }'
}

if [ "$mode" = profile ]; then
  profile
  exit
fi
if [ "$mode" = write ]; then
  {
    echo "# Instructions for one message, match or packet: what was measured, and 5 %. Written by scripts/instructions.sh --write."
    measured | awk '{ printf "%-34s %6d\n", $1, $2 * 1.05 + 1 }'
  } >"$limits"
  echo "wrote $limits"
fi

measured | awk -v limits="$limits" -v mode="$mode" '
  BEGIN {
    while ((getline line < limits) > 0) {
      split(line, part, " ")
      if (part[1] !~ /^#/ && part[2] != "") limit[part[1]] = part[2]
    }
    printf "%-34s %10s %8s\n", "instructions for one", "measured", "limit"
  }
  {
    seen[$1] = 1
    note = ""
    if (!($1 in limit)) { note = "  has no limit"; bad = 1 }
    else if ($2 > limit[$1]) { note = "  OVER"; bad = 1 }
    else if ($2 < limit[$1] * 0.85) note = "  (the limit can be lowered)"
    printf "%-34s %10.1f %8s%s\n", $1, $2, limit[$1], note
  }
  END {
    if (mode != "show")
      for (name in limit) if (!(name in seen)) { print name " has a limit and was not measured"; bad = 1 }
    if (NR == 0) { print "nothing was measured"; bad = 1 }
    exit bad
  }'
