"""Loading an archive, with a program in place of containerd's `ctr`."""

from __future__ import annotations

import asyncio
import os
import pathlib

import pytest

from pilothouse.kit.clock import SystemClock
from pilothouse.runtime.containerd.client import ContainerdRuntime


async def test_an_import_that_is_broken_off_leaves_no_process(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = tmp_path / "pids"
    os.mkfifo(pids)
    program = tmp_path / "ctr"
    program.write_text(f"#!/bin/sh\necho $$ > {pids}\nexec sleep 1000\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    runtime = ContainerdRuntime(tmp_path / "socket", tmp_path / "cni", SystemClock())
    loading = asyncio.create_task(runtime.load_archive(str(tmp_path / "a.tar")))
    pid = int(await asyncio.to_thread(pids.read_text))
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    await runtime.close()
