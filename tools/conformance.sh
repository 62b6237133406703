#!/usr/bin/env bash
# Run the official conformance tests that need no running container, against a simulated cluster of two nodes.
# usage: tools/conformance.sh [LIST [ARGUMENT...]]; CONFORMANCE is the folder of the tests (../shared/conformance)
set -euo pipefail
cd "$(dirname "$0")/.."
conformance=$(realpath -m "${CONFORMANCE:-../shared/conformance}")
if [ ! -x "$conformance/run" ]; then
  echo "the conformance tests are not here: $conformance/run is missing; set CONFORMANCE to their folder" >&2
  exit 2
fi
python=${PYTHON:-.venv/bin/python}
home=$(mktemp -d)
export PILOTHOUSE_HOME=$home KUBECONFIG=$home/kubeconfig
trap '"$python" -m pilothouse down --name conformance; rm -rf "$home"' EXIT
"$python" -m pilothouse up --name conformance --runtime simulated --nodes 2
list=${1:-api}
if [ $# -gt 1 ]; then
  "$conformance/run" "$list" --kubeconfig "$KUBECONFIG" "${@:2}"
  exit
fi
[ -f "$list" ] || list=$conformance/$list.txt
# What waits for an admission policy to take effect waits without a limit of its own: it runs last, with one.
endless='AdmissionPolicy .* should (allow|mutate|type check|validate)'
grep -vE "$endless" "$list" > "$home/first.txt"
grep -E "$endless" "$list" > "$home/last.txt" || true
failed=0
"$conformance/run" "$home/first.txt" --kubeconfig "$KUBECONFIG" || failed=$?
if [ -s "$home/last.txt" ]; then
  echo "then those that wait for admission policies:"
  "$conformance/run" "$home/last.txt" --kubeconfig "$KUBECONFIG" --timeout 60 || failed=$?
fi
exit "$failed"
