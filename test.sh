#!/usr/bin/env bash
# All checks and all tests, real containers included. Run it as root; it installs what it needs.
# The last line counts the tests. Options are given to pytest (then only the tests they choose run).
set -uo pipefail
cd "$(dirname "$0")"
EXTRA="[dev]"
source tools/environment.sh || exit 1
export PYTHONDONTWRITEBYTECODE=1
failed=0
check() { say "$1"; shift; "$@" || { echo "FAILED: $*" >&2; failed=1; }; }

say "the packages that nodes and the etcd tests need"
pilothouse doctor --install > /dev/null || { pilothouse doctor; exit 1; }
say "the clients that the tests drive"
PYTHON=.venv/bin/python tools/clients.sh || exit 1
[ -x /usr/bin/etcd ] || apt-get install -y -qq --no-install-recommends etcd-server > /dev/null || exit 1

if [ $# -gt 0 ]; then exec python -m pytest "$@"; fi

check "format"                ruff format --check -q .
check "lint"                  ruff check -q .
check "types"                 mypy
check "import contracts"      lint-imports --no-cache
check "budgets"               python tools/budget.py
check "generated code"        python -m tools.gen --check
check "fields have effect"    python -m tools.served_fields

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
check "unit and contract tests"   python -m pytest -m "not e2e and not torture" -n 2 --junitxml "$reports/unit.xml"
check "end to end, real containers"   python -m pytest -m "e2e and not torture" --junitxml "$reports/e2e.xml"
python tools/count_tests.py "$reports"/*.xml || failed=1
exit $failed
