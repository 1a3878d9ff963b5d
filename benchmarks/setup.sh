#!/usr/bin/env bash
# Makes ready what `python -m benchmarks.run` needs: benchmarks/.venv with the peers and this project
# in it, wrk and a C compiler, and the load generators that it compiles. It may be run again
# at any time and skips what is there.
#
# PYTHON names the interpreter that the environment is made from (python3).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-python3}
venv=benchmarks/.venv

fail() {
  printf 'benchmarks/setup.sh: %s\n' "$1" >&2
  exit 1
}

# pip leaves nothing that says "all of this file is installed", so a copy of the file does.
install_once() {
  local source=$1 installed=$2
  shift 2
  cmp -s "$source" "$installed" && return
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
  cp "$source" "$installed"
}

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is not Python 3.11 or newer; name one that is with PYTHON=…"
  "$python" -m venv --clear "$venv"
fi

install_once benchmarks/requirements.txt "$venv/requirements.installed" \
  -r benchmarks/requirements.txt

[ -f pyproject.toml ] || fail "there is no pyproject.toml, so the project cannot be installed"
install_once pyproject.toml "$venv/pyproject.installed" -e '.[fast]'

# Installs Debian's packages $2… when there is no program $1.
install_program() {
  local program=$1
  shift
  command -v "$program" >/dev/null && return
  command -v apt-get >/dev/null ||
    fail "$program is missing and there is no apt-get here; install $* by hand"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      fail "$program is missing and installing it needs root; as root: apt-get install $*"
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@"
}

install_program wrk wrk
install_program cc gcc libc6-dev
PATH=$PATH:/usr/sbin install_program nginx nginx-light
install_program openssl openssl

for source in line_load websocket_load drip_load; do
  program=$venv/bin/${source/_/-}
  [ "$program" -nt "benchmarks/$source.c" ] ||
    cc -O2 -Wall -Wextra -o "$program" "benchmarks/$source.c"
done
