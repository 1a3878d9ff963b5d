#!/usr/bin/env bash
# Install the programs that the system tests run, those of them that are missing, from Debian's
# packages. Where all are there already it does nothing.

set -euo pipefail

"$(dirname "$0")/install_autobahn.sh"

# Tornado, apart from what the project itself needs.
tornado="$(cd "$(dirname "$0")/../.." && pwd)/.venv-tornado"
if [ ! -x "$tornado/bin/tornado-is-here" ]; then
  python3 -m venv "$tornado"
  "$tornado/bin/python" -m pip install --quiet tornado==6.6.1
  ln -s python "$tornado/bin/tornado-is-here"
fi

# Each program, and the package that brings it.
declare -A packages=(
  [chromium]=chromium
  [curl]=curl
  [lighttpd]=lighttpd
  [microsocks]=microsocks
  [nc]=netcat-openbsd
  [nginx]=nginx-light
  [tinyproxy]=tinyproxy-bin
  [wrk]=wrk
)

missing=()
for program in "${!packages[@]}"; do
  command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done

# Another netcat may be called nc as well, and then knows no -N.
if command -v nc >/dev/null && [[ "$(nc -h 2>&1 || true)" != *OpenBSD* ]]; then
  missing+=(netcat-openbsd)
fi

if [ "${#missing[@]}" -eq 0 ]; then
  exit 0
fi

if ! command -v apt-get >/dev/null; then
  echo "install.sh: there is no apt-get here; install by hand: ${missing[*]}" >&2
  exit 1
fi

root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install.sh: run it as root, or install by hand: ${missing[*]}" >&2
    exit 1
  fi
  root=(sudo)
fi

echo "install.sh: installing ${missing[*]}"
"${root[@]}" apt-get update
"${root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y --no-install-recommends "${missing[@]}"
