"""Write (or, with --check, compare) every generated file of the project."""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys

from tools.gen import cri, resources, types

ROOT = pathlib.Path(__file__).resolve().parents[2]
OWNED = (ROOT / "src/pilothouse/api/types", ROOT / "src/pilothouse/runtime/generated")


def formatted(text: str, name: str) -> str:
    """`text` as the project's formatter leaves it, so that a fresh run equals what is committed."""
    config = str(ROOT / "pyproject.toml")
    command = [sys.executable, "-m", "ruff", "format", "--config", config, "--stdin-filename", name, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a committed file differs")
    check = parser.parse_args().check
    made = {**types.files(ROOT), **resources.files(ROOT), **cri.files(ROOT)}
    wanted = {path: formatted(text, path.name) for path, text in made.items()}
    stale = [path for folder in OWNED for path in folder.rglob("*.py") if path not in wanted]
    differing = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if check:
        for path in (*stale, *differing):
            print(f"{path.relative_to(ROOT)} is not what tools/gen makes: run `make gen`", file=sys.stderr)
        return 1 if stale or differing else 0
    for path in stale:
        path.unlink()
    for path in differing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
    print(f"{len(wanted)} generated files, {len(differing)} written, {len(stale)} removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
