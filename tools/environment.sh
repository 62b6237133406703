# Sourced by demo.sh and test.sh: Python, a virtual environment with the project in it, and the tools they use.
# EXTRA ([demo] or [dev]) says what to install beside the product. It is installed in place, so that both scripts, in
# whichever order, run the sources of this checkout as they are.
say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
[ -z "${NO_COLOR:-}" ] && [ -t 1 ] || say() { printf '\n== %s\n' "$*"; }

if [ "$(id -u)" != 0 ]; then
  echo "nodes need network namespaces and containers of their own: run this as root (sudo $0)" >&2
  exit 1
fi
missing=()
python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || missing+=(python3 python3-venv)
[ -x /bin/busybox ] && /bin/busybox --list > /dev/null 2>&1 && ! ldd /bin/busybox > /dev/null 2>&1 || missing+=(busybox-static)
if [ ${#missing[@]} -gt 0 ]; then
  say "packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" ca-certificates > /dev/null
fi

say "the Python environment (.venv)"
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check -e ".$EXTRA"
export PATH="$PWD/.venv/bin:$PATH"
# Without compiled code beside the sources every process of a cluster would compile 700 files when it starts: half a second.
.venv/bin/python -m compileall -q src
