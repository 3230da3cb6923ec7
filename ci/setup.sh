#!/usr/bin/env bash
# Makes sure that lkh is there: the one on the PATH, or one built from the repository that
# this folder is in, with the Rust toolchain that the runner has.
set -euo pipefail

if [[ -n ${LKH:-} ]]; then
  command -v "$LKH" >/dev/null || { echo "lkh: error: $LKH is not there" >&2; exit 1; }
elif command -v lkh >/dev/null; then
  LKH=$(command -v lkh)
else
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
  command -v cargo >/dev/null || {
    echo "lkh: error: there is no lkh on the PATH, and no cargo to build it with" >&2
    exit 1
  }
  cargo build --quiet --release --locked --manifest-path "$root/Cargo.toml"
  LKH=$root/target/release/lkh
fi
"$LKH" --version
if [[ -n ${GITHUB_ENV:-} ]]; then printf 'LKH=%s\n' "$LKH" >>"$GITHUB_ENV"; fi
