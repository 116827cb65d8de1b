#!/bin/sh
# Make the environment: `make setup`, which calls `tools/setup.sh lock` and then `tools/setup.sh project`.
#   lock     .venv anew, with the versions of requirements.lock
#   project  this folder in it, editable, under the command `lifroles`
# PYTHON names the Python to use (default python3), PIPFLAGS further options for pip.
# The stamp .venv/.locked is written last, so that what was interrupted half way is done again from the start.
set -eu
cd "$(dirname "$0")/.."
venv=.venv

stop() {
    echo "$1" >&2
    exit 1
}

pip_install() {
    # PIPFLAGS holds options: it has to be split into words
    # shellcheck disable=SC2086
    "$venv/bin/python" -m pip install --disable-pip-version-check --quiet ${PIPFLAGS:-} "$@"
}

lock() {
    python=${PYTHON:-python3}
    command -v "$python" >/dev/null ||
        stop "There is no '$python' here: install Python 3.11 or newer, or name one with 'make PYTHON=/path/to/python'."
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        stop "lifroles needs Python 3.11 or newer and '$python' is $("$python" -V 2>&1): name a newer one with 'make PYTHON=/path/to/python'."
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        stop "'$python' cannot make virtual environments: install its venv module (on Debian and Ubuntu: apt-get install python3-venv)."

    echo "Installing the versions of requirements.lock into $venv (minutes; 2 GB, or 6 GB where torch brings CUDA)..."
    rm -rf "$venv"
    "$python" -m venv "$venv"
    # tonic asks for expelliarmus and never imports it. It has no wheel for Python 3.12 and later, where pip would
    # need a C compiler for it: both are left out of the first step, and tonic comes alone in the second.
    grep -vE '^(tonic|expelliarmus)==' requirements.lock >"$venv/first.txt"
    grep -E '^tonic==' requirements.lock >"$venv/second.txt"
    pip_install -r "$venv/first.txt"
    pip_install --no-deps -r "$venv/second.txt"
    pwd -P >"$venv/.locked"
}

project() {
    # setuptools is in the lock: nothing has to be downloaded to build this
    pip_install --no-deps --no-build-isolation -e .
    touch "$venv/.ready"
}

case ${1-} in
lock | project) "$1" ;;
*) stop "usage: tools/setup.sh lock|project" ;;
esac
