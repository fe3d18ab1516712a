#!/usr/bin/env bash
# Makes .venv, with the locked requirements and starlift itself in it. `make setup` calls this when a lock
# or pyproject.toml has changed. PYTHON=python3.12 chooses the interpreter of a new .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

candidates=${PYTHON:-python3.13 python3.12 python3.11 python3}
fits='import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))'

find_python() {
    local candidate
    for candidate in $candidates; do
        # run it rather than look it up: a version manager's shim exists without its Python
        if "$candidate" -c "$fits" >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

explain() {
    local candidate version found=
    for candidate in $candidates; do
        version=$("$candidate" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info >= (3, 11))' 2>/dev/null; then
            echo "$candidate is Python $version: too old"
        else
            echo "$candidate is Python $version without its venv module (Debian: apt-get install python3-venv)"
        fi
        found=yes
    done
    [ -n "$found" ] || echo "none of these runs: $candidates"
    echo "starlift needs Python 3.11 or newer with its venv module; then: make setup"
    echo "or name one: make setup PYTHON=/path/to/python3.12"
}

if ! .venv/bin/python -c "import pip; $fits" >/dev/null 2>&1; then
    python=$(find_python) || { explain >&2; exit 1; }
    echo "Making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi

pip() { .venv/bin/python -m pip --quiet --disable-pip-version-check "$@"; }

# Wheels only: building a source distribution would download build tools that no hash covers. Bytecode is
# left to the first import: compiling everything takes as long as installing it, and most is never imported.
echo "Installing the locked requirements (the first time 210 MB, half a minute)"
pip install --require-hashes --only-binary :all: --no-compile -r requirements/dev.lock
# starlift itself, in place. setuptools came with the lock, so nothing more is downloaded.
pip install --no-deps --no-build-isolation --editable .
