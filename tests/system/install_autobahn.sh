#!/usr/bin/env bash
# Install the Autobahn test suite into .venv-autobahn, unless it is there. It needs Python 2.7,
# which Debian has not had since its release 12: one on the PATH or of pyenv is taken, else the
# package of Debian 11, which lives beside the Python 3 of later ones.

set -euo pipefail

root="$(cd "$(dirname "$0")/../.." && pwd)"
target="$root/.venv-autobahn"
if [ -x "$target/bin/wstest" ]; then
  exit 0
fi

find_python() {
  local candidate
  for candidate in python2.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7; do
    # pyenv has a python2.7 on the PATH that does not run unless it is chosen.
    if "$candidate" -c 'import ssl, zlib' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

install_python() {
  local as_root=() list options
  if ! command -v apt-get >/dev/null; then
    echo "install_autobahn.sh: there is no apt-get here; install Python 2.7 by hand" >&2
    exit 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
  fi
  # Packages that are not of this release stay out of the machine's own lists.
  list="$(mktemp -d)"
  chmod 755 "$list"
  mkdir -p "$list/lists/partial"
  cp -r /etc/apt/sources.list.d "$list/parts"
  if [ -f /etc/apt/sources.list ]; then
    cp /etc/apt/sources.list "$list/parts/main.list"
  fi
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
    "http://deb.debian.org/debian bullseye main" >"$list/parts/bullseye.list"
  options=(-o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$list/parts"
    -o "Dir::State::lists=$list/lists")
  echo "install_autobahn.sh: installing Python 2.7 of Debian 11"
  "${as_root[@]}" apt-get "${options[@]}" update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" \
    install -y --no-install-recommends python2.7-dev gcc libc6-dev
}

python="$(find_python)" || { install_python && python="$(find_python)"; } || {
  echo "install_autobahn.sh: there is no Python 2.7, which the Autobahn test suite needs" >&2
  exit 1
}

echo "install_autobahn.sh: installing into $target"
maker="$(mktemp -d)"
trap 'rm -rf "$maker"' EXIT
# Later ones make no environment of Python 2.7.
python3 -m venv "$maker"
"$maker/bin/python" -m pip install --quiet 'virtualenv<20.22'
"$maker/bin/python" -m virtualenv --quiet --python "$python" "$target"
"$target/bin/python" -m pip install --quiet --no-python-version-warning autobahntestsuite==25.10.1
test -x "$target/bin/wstest"
