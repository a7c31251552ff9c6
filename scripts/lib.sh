# Shared by the scripts beside it: where caches live, and how a step is shown. Sourced, not run.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
[ -f "${CARGO_HOME:-$HOME/.cargo}/env" ] && . "${CARGO_HOME:-$HOME/.cargo}/env"
command -v cargo >/dev/null || { echo "NSBoot needs Rust: install rustup from https://rustup.rs, then try again" >&2; exit 1; }
# Said now, not after minutes of compiling.
newer() { printf '%s\n%s\n' "$1" "$2" | sort -V -C; }
WANTED_RUST=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
newer "$WANTED_RUST" "$(rustc --version | cut -d' ' -f2)" ||
  { echo "NSBoot needs Rust $WANTED_RUST or newer: rustup update stable" >&2; exit 1; }
newer 20 "$(node --version 2>/dev/null | tr -d v)" ||
  { echo "NSBoot needs Node 20 or newer with npm; Debian 12 has 18: see https://github.com/nodesource/distributions" >&2; exit 1; }

# Everything slow to make stays outside the clone. The compiler's build is part of the target folder's name, so
# that artifacts of another compiler are never picked up; cargo itself tells sources and lock files apart.
export NSBOOT_CACHE=${NSBOOT_CACHE:-$HOME/.cache/nsboot}
RUSTC_KEY=$(rustc -vV | sha256sum | cut -c1-12)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$NSBOOT_CACHE/target-$RUSTC_KEY}
# Tools of exact versions that are not Debian packages; their own root, so that the user's tools stay as they are.
export NSBOOT_TOOLS=$NSBOOT_CACHE/tools-$RUSTC_KEY
export PATH=$ROOT/scripts/tools:$ROOT/end2end/node_modules/.bin:$NSBOOT_TOOLS/bin:$PATH
mkdir -p "$NSBOOT_CACHE/logs" "$CARGO_TARGET_DIR"

# Cargo compares times of files only. Where two clones share the cache, the sources of the one that did not build last
# must count as new, or its tests would run the other one's code.
if [ "$(cat "$CARGO_TARGET_DIR/.clone" 2>/dev/null)" != "$ROOT" ]; then
  find app frontend server -name '*.rs' -exec touch {} +
  printf '%s\n' "$ROOT" >"$CARGO_TARGET_DIR/.clone"
fi

# release_build ARGUMENTS...: linked statically, so that the binary runs copied alone into an empty root; there, random numbers must
# come from the system call, since /dev is not there either. Naming the target keeps the flags away from procedural macros.
HOST=$(rustc -vV | sed -n 's/^host: //p')
release_build() {
  local flags; flags=CARGO_TARGET_$(echo "$HOST" | tr 'a-z-' 'A-Z_')_RUSTFLAGS
  env "$flags=-C target-feature=+crt-static --cfg getrandom_backend=\"linux_getrandom\"" cargo build --locked --release --target "$HOST" "$@"
}

# The version of a crate in Cargo.lock.
locked() { awk -v want="$1" '$1=="name"{n=$3} $1=="version" && n=="\""want"\""{gsub(/"/,"",$3); print $3; exit}' Cargo.lock; }

# step NUMBER TOTAL "what it does" COMMAND... : quiet while it goes well; a failure names the step and shows why.
step() {
  local number=$1 total=$2 what=$3 log started; shift 3
  log=$NSBOOT_CACHE/logs/step-$(echo "$what" | tr -cs 'a-zA-Z0-9' '-' | cut -c1-40).log
  printf '[%s/%s] %s … ' "$number" "$total" "$what"
  started=$SECONDS
  if "$@" >"$log" 2>&1; then
    printf 'done (%s s)\n' $((SECONDS - started))
  else
    local status=$?
    printf 'FAILED\n\nStep %s of %s, "%s", ended with status %s. The last lines it printed:\n\n' "$number" "$total" "$what" "$status" >&2
    tail -n 30 "$log" >&2
    printf '\nThe whole output is in %s\n' "$log" >&2
    exit 1
  fi
}

# skip NUMBER TOTAL "what" : a step that is done already.
skip() { printf '[%s/%s] %s … already there\n' "$1" "$2" "$3"; }
