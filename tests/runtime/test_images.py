"""The pause image and the names of archives."""

from __future__ import annotations

import io
import json
import os
import platform
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from pilothouse.runtime.images import pause
from pilothouse.runtime.images.archive import base_name

NAME, REF = "io.containerd.image.name", "org.opencontainers.image.ref.name"


def oci(path: Path, **notes: str) -> str:
    index = json.dumps({"manifests": [{"annotations": notes}]}).encode()
    with tarfile.open(path, "w") as tar:
        entry = tarfile.TarInfo("index.json")
        entry.size = len(index)
        tar.addfile(entry, io.BytesIO(index))
    return str(path)


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ({REF: "v3"}, "docker.io/library/my-app"),
        ({REF: "example.com/app:1"}, ""),
        ({REF: "app:1"}, ""),
        ({REF: "1", NAME: "docker.io/library/app:1"}, ""),
        ({}, ""),
    ],
)
def test_a_bare_tag_gets_the_files_name(tmp_path: Path, notes: dict[str, str], expected: str) -> None:
    assert base_name(oci(tmp_path / "My_App.tar", **notes)) == expected


def test_what_is_no_archive_has_no_name(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("nothing")
    assert base_name(str(tmp_path / "x")) == ""
    assert base_name(str(tmp_path / "absent")) == ""


def test_the_pause_archive_is_the_same_every_time() -> None:
    assert pause.archive("p:1", "x86_64") == pause.archive("p:1", "x86_64")
    with tarfile.open(fileobj=io.BytesIO(pause.archive("p:1", "aarch64"))) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        assert json.load(manifest)[0]["RepoTags"] == ["p:1"]


def test_an_unknown_machine_is_named() -> None:
    with pytest.raises(pause.UnknownMachine, match="no pause program for vax"):
        pause.archive("p:1", "vax")


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in pause.MACHINES, reason="there is no program to run here"
)
def test_pause_waits_and_ends_when_told(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(pause.program(platform.machine()))
    program.chmod(0o755)
    process = subprocess.Popen([program])
    while not _waits(process.pid):
        os.sched_yield()  # until then, a signal would end it as it would any program
    try:
        for harmless in (signal.SIGCHLD, signal.SIGHUP, signal.SIGUSR1):
            process.send_signal(harmless)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)


def _waits(pid: int) -> bool:
    state = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("State:"))
    return state.split()[1] == "S"
