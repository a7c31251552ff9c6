#!/usr/bin/env bash
# Installs what building, running and testing need. Every step is skipped when it is done.
. "$(dirname "$0")/lib.sh"
TOTAL=5

missing_packages() {
  local p
  grep -v '^#' scripts/packages.txt | while read -r p; do
    [ -n "$p" ] && { dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || echo "$p"; }
  done || true
}
install_packages() {
  [ "$(id -u)" = 0 ] || { echo "these packages are missing, and only root can install them: $*"; return 1; }
  apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}
# Services that Debian starts on installation would sit on our ports; the tests start their own peers.
MISSING=$(missing_packages)
# shellcheck disable=SC2086
if [ -z "$MISSING" ]; then skip 1 $TOTAL "Debian packages"; else step 1 $TOTAL "Debian packages: $(echo $MISSING | wc -w) missing" install_packages $MISSING; fi

if rustup target list --installed 2>/dev/null | grep -qx wasm32-unknown-unknown; then skip 2 $TOTAL "WASM target of the compiler"
else step 2 $TOTAL "WASM target of the compiler" rustup target add wasm32-unknown-unknown; fi

# cargo_tool NUMBER CRATE VERSION COMMAND-THAT-PRINTS-ITS-VERSION EXTRA...
cargo_tool() {
  local number=$1 crate=$2 version=$3 probe=$4; shift 4
  if $probe 2>/dev/null | grep -qwF "$version"; then skip "$number" $TOTAL "$crate $version"; return; fi
  # A tool need not be fast, it must be there soon: no link-time optimisation, little optimisation.
  step "$number" $TOTAL "$crate $version (compiles for some minutes)" env \
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
    CARGO_TARGET_DIR="$NSBOOT_CACHE/target-tools-$RUSTC_KEY" \
    cargo install --root "$NSBOOT_TOOLS" "$crate" --version "$version" "$@"
}
# cargo-leptos 0.3.11 wants a newer compiler; without downloads a missing tool is an error instead of a hang.
cargo_tool 3 cargo-leptos 0.3.10 "cargo-leptos --version" --locked --features no_downloads
# wasm-bindgen's program and library must be of one version.
cargo_tool 4 wasm-bindgen-cli "$(locked wasm-bindgen)" "wasm-bindgen --version"

# Not `npm ci`: it wants every platform's optional part in the lock file, also those that a mirror does not carry.
# With a lock file, `npm install` takes the same versions.
LOCK_KEY=$(sha256sum end2end/package-lock.json | cut -c1-16)
if [ "$(cat end2end/node_modules/.nsboot-lock 2>/dev/null)" = "$LOCK_KEY" ]; then skip 5 $TOTAL "npm packages"
else step 5 $TOTAL "npm packages" bash -c "cd end2end && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm install --no-save --no-audit --no-fund && echo $LOCK_KEY > node_modules/.nsboot-lock"; fi
rm -rf "$NSBOOT_CACHE/target-tools-$RUSTC_KEY"
