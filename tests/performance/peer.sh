# Sourced by the races: sets HERE, EXAMPLES (our release examples) and PEER (a virtual environment with llama.cpp).
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
PEER=${HAECHI_PEER_VENV:-$ROOT/.cache/peer}
EXAMPLES=${CARGO_TARGET_DIR:-$ROOT/target}/release/examples

if ! "$PEER/bin/python" -c 'import llama_cpp, numpy' 2>/dev/null; then
  echo "building llama.cpp for this processor, once; about ten minutes" >&2
  python3 -m venv "$PEER"
  CMAKE_ARGS="-DGGML_NATIVE=ON" "$PEER/bin/pip" install --quiet --disable-pip-version-check -r "$HERE/requirements.txt"
fi
cargo build --manifest-path "$ROOT/Cargo.toml" --release --locked --quiet -p haechi-drivers \
  --example bench --example placement --example users
