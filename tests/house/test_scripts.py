"""The two scripts of a checkout share its environment: what one installs, the other leaves in place."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).parents[2]
RECORDS = '#!/bin/sh\necho "$@" >> "$RECORD"\n'


def program(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_both_scripts_run_the_sources_of_the_checkout_in_either_order(tmp_path: pathlib.Path) -> None:
    for name in ("demo.sh", "test.sh", "tools/environment.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "src").mkdir()
    record = tmp_path / "record"
    program(tmp_path / ".venv/bin/pip", RECORDS)
    program(tmp_path / ".venv/bin/python", RECORDS)
    program(tmp_path / ".venv/bin/pilothouse", "#!/bin/sh\nexit 1\n")  # so far, and no further
    program(tmp_path / "fakes/id", "#!/bin/sh\necho 0\n")
    program(tmp_path / "fakes/apt-get", "#!/bin/sh\n")
    environment = {**os.environ, "PATH": f"{tmp_path}/fakes:{os.environ['PATH']}", "RECORD": str(record)}
    for script in ("demo.sh", "test.sh"):
        record.write_text("")
        done = subprocess.run([tmp_path / script], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        installs = [line for line in record.read_text().splitlines() if line.startswith("install ")]
        assert installs, done.stdout
        assert all(" -e ." in line for line in installs), f"{script} installs a copy: {installs}"
        assert "-m compileall -q src" in record.read_text()
