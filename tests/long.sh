# The long proofs, sourced by tests/run. Each part leaves a mark for the code it passed on; a part that passed is not run
# again until the code changes.

LONG_PARTS="kill feed_kill roads mutations questions import feeds day fhir fuzz quickstart engine reproducible"

# A name for the code as it stands: the commit, or a digest of the changes on top of it.
code_state() {
  { git rev-parse HEAD; git diff HEAD -- . ':!docs' ':!*.md'; } | sha256sum | cut -c1-16
}

long() {
  local part mark state
  need
  cargo build --release --locked -p haechi
  export HAECHI_BIN=$PWD/target/release/haechi HAECHI_MODEL=$CACHE/models/$MODEL_FILE
  mkdir -p "$CACHE/long"
  state=$(code_state)
  for part in ${1:-$LONG_PARTS}; do
    mark=$CACHE/long/$part-$state
    if [ -z "${1:-}" ] && [ -e "$mark" ]; then
      echo "passed before on this code: $part ($(cat "$mark"))"
      passed=$((passed + 1))
      continue
    fi
    case " $LONG_PARTS " in *" $part "*) ;; *) die "there is no part '$part'" "the parts are: $LONG_PARTS" ;; esac
    step "$part" "long_$part"
    [ "$failed" -gt 0 ] || date -u +%FT%TZ > "$mark"
  done
}

# Two builds of the packages, each from a clean clone at the same path, are the same bytes.
long_reproducible() {
  local once place=$CACHE/long/reproducible/haechi out=$CACHE/long/reproducible
  rm -rf "$out"
  for once in first second; do
    rm -rf "$place"
    mkdir -p "$out/$once"
    git clone -q . "$place" || return 1
    (unset CARGO_TARGET_DIR; "$place/installer/pkg/build" --out "$out/$once") || return 1
  done
  rm -rf "$place"
  (cd "$out/first" && sha256sum -- *) | (cd "$out/second" && sha256sum -c)
}

# 200 kills of both roles during imports.
long_kill() { HAECHI_KILLS=200 cargo nextest run --locked -p haechi-e2e kill_9; }

# 50 kills of the feeds' server under load: what was acknowledged is in the record exactly once.
long_feed_kill() { HAECHI_FEED_KILLS=50 cargo nextest run --locked -p haechi-e2e kill_9_under_load; }

# Messages acknowledged durably over 8 connections, beside a Node server that only acknowledges.
long_feeds() {
  rm -rf "$CACHE/bench"
  "$HAECHI_BIN" bench mllp --messages 100000 --connections 8 --peer --work "$CACHE/bench" --json > "$CACHE/mllp.json" || return 1
  python3 - "$CACHE/mllp.json" <<'PY'
import json, sys
run = json.load(open(sys.argv[1]))
peer = run.get("peer")
print(f"{run['acknowledged_per_s']:.0f} messages/s acknowledged durably, p50 {run['p50_ms']:.1f} ms, p99 {run['p99_ms']:.1f} ms, "
      f"{run['processed_per_s']:.0f} filed/s, peak {run['peak_rss_bytes']/2**20:.0f} MiB, {run['lost']} lost, {run['duplicated']} duplicated")
print(f"{peer['name']}: {peer['acknowledged_per_s']:.0f}/s, ratio {peer['ratio']:.2f}" if peer else "skipped: node is not here")
sys.exit(not (run["acknowledged_per_s"] >= 1000 and run["p99_ms"] < 50 and run["lost"] == 0 and run["duplicated"] == 0
              and run["dead"] == 0 and run["peak_rss_bytes"] < 160 << 20))
PY
}

# A day of a busy hospital, 1.5 million messages, at full speed (a connection that runs out of patients sends less than its
# share, so more are asked for): nothing lost, nothing twice, and memory as with a fiftieth of it. Some 12 GB of disk.
long_day() {
  rm -rf "$CACHE/bench"
  "$HAECHI_BIN" bench mllp --messages 1600000 --connections 8 --work "$CACHE/bench" --json > "$CACHE/day.json" || return 1
  python3 - "$CACHE/day.json" <<'PY'
import json, sys
run = json.load(open(sys.argv[1]))
print(f"{run['acknowledged_per_s']:.0f} messages/s acknowledged durably, p99 {run['p99_ms']:.1f} ms, {run['processed_per_s']:.0f} filed/s, "
      f"peak {run['peak_rss_bytes']/2**20:.0f} MiB, {run['lost']} lost, {run['duplicated']} duplicated, {run['dead']} dead letters")
sys.exit(not (run["acknowledged"] >= 1_500_000 and run["acknowledged_per_s"] >= 1000 and run["lost"] == run["duplicated"] == run["dead"] == 0
              and run["peak_rss_bytes"] < 160 << 20))
PY
}

# What a patient's page asks, over half a million resources and over ten times as many. Some 20 GB of disk.
long_fhir() {
  local patients
  for patients in 1600 16000; do
    rm -rf "$CACHE/bench"
    "$HAECHI_BIN" bench fhir --patients "$patients" --work "$CACHE/bench" --json > "$CACHE/fhir-$patients.json" || return 1
  done
  python3 - "$CACHE/fhir-1600.json" "$CACHE/fhir-16000.json" <<'PY'
import json, sys
small, large = (json.load(open(path)) for path in sys.argv[1:])
ok = small["resources"] >= 500_000
for one, ten in zip(small["queries"], large["queries"]):
    everything = "$everything" in one["name"]
    print(f"{one['name']:66} p95 {one['p95_ms']:7.2f} ms, of ten times the data {ten['p95_ms']:7.2f} ms")
    ok &= one["p50_ms" if everything else "p95_ms"] < (50 if everything else 20)
print(f"{small['resources']} resources p95 {small['p95_ms']:.2f} ms, {large['resources']} resources {large['p95_ms']:.2f} ms, "
      f"peak {large['peak_rss_bytes']/2**20:.0f} MiB")
sys.exit(not (ok and large["p95_ms"] <= 1.5 * small["p95_ms"]))
PY
}

# Forty patients by both roads.
long_roads() { HAECHI_ROADS_PATIENTS=40 cargo nextest run --locked -p haechi-e2e fhir_and_hl7; }

# 10,000 mutated messages, bundles and DICOM files.
long_mutations() {
  HAECHI_MUTATIONS=10000 cargo nextest run --locked --no-capture -p haechi-hospital -p haechi-intake -E 'test(mutated)'
}

# The whole question set, on the release build.
long_questions() { tests/questions/run; }

# Speed and memory, at one size and at ten times that size.
long_import() {
  rm -rf "$CACHE/bench"
  mkdir -p "$CACHE"
  "$HAECHI_BIN" bench import --patients 60 --work "$CACHE/bench" --json > "$CACHE/import.json" || return 1
  python3 - "$CACHE/import.json" <<'PY'
import json, sys
runs = json.load(open(sys.argv[1]))
ok = True
for run in runs:
    print(f"{run['road']:5} {run['patients']:5} patients {run['input_bytes']/2**20:7.1f} MiB  {run['resources_per_s']:7.0f} resources/s "
          f"{run['messages_per_s']:7.0f} messages/s  peak {run['peak_rss_bytes']/2**20:.0f} MiB  {run['rejected']} put aside")
    rate, bar = (run["resources_per_s"], 5000) if run["road"] == "fhir" else (run["messages_per_s"], 2000)
    ok &= rate >= bar and run["rejected"] == 0
for road in ("fhir", "hl7"):
    small, large = [run["peak_rss_bytes"] for run in runs if run["road"] == road]
    print(f"{road}: ten times the input takes {large/small:.2f} times the memory")
    # Caches fill up to their bounds and stay there: what is in hand is bounded, whatever the input.
    ok &= large < 128 << 20 and large < 2 * small
sys.exit(not ok)
PY
}

# Ten minutes a target.
long_fuzz() { tests/fuzz/run 600; }

# The native engine's proofs; what is not here to prove them with is said.
long_engine() { tests/engine; }

# What a newcomer does, twice, in a fresh clone; the second run in under 60 s.
long_quickstart() {
  local clone started
  clone=$(mktemp -d)
  git clone --quiet . "$clone/haechi" && (
    cd "$clone/haechi"
    unset HAECHI_BIN
    installer/quickstart --once || exit 1
    started=$SECONDS
    installer/quickstart --once > /dev/null || exit 1
    echo "the second run took $((SECONDS - started)) s"
    [ $((SECONDS - started)) -lt 60 ]
  )
  local status=$?
  rm -rf "$clone"
  return "$status"
}
