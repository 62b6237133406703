"""kubectl as the tests of this folder call it: one program, one namespace."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True)
class Kubectl:
    """kubectl with a configuration whose context is in `namespace`. Calls are given the arguments after `kubectl`; all
    that has no space within may be written in the first, as in `kubectl("get pods -o name")`."""

    program: str
    kubeconfig: pathlib.Path
    namespace: str
    folder: pathlib.Path

    def _command(self, words: tuple[str, ...]) -> list[str]:
        return [self.program, *words[0].split(), *words[1:]]

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return os.environ | {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.folder), **more}

    def run(
        self, *words: str, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Whatever comes of it."""
        return subprocess.run(
            self._command(words), env=self._environment(env or {}), input=stdin, cwd=self.folder,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def __call__(self, *words: str, stdin: str = "", env: Mapping[str, str] | None = None) -> str:
        """What it prints; AssertionError if it fails."""
        done = self.run(*words, stdin=stdin, env=env)
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *words: str, stdin: str = "", code: int = 1) -> str:
        """What it complains of; AssertionError if it does not end with `code`."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stderr

    def without_credentials(self) -> str:
        """A configuration file with the cluster and nobody's credentials."""
        bare = yaml.safe_load(self.kubeconfig.read_text())
        for user in bare["users"]:
            user["user"] = {}
        file = self.folder / "nobody"
        file.write_text(yaml.safe_dump(bare))
        return str(file)

    def get(self, *words: str) -> Any:
        return json.loads(self("get -o json", *" ".join(words).split()))

    def edit(self, *words: str, script: str) -> str:
        """`kubectl edit` (or another command that opens an editor) with a sed script for an editor."""
        editor = self.folder / "editor"
        editor.write_text(f"#!/bin/sh\nsed -i '{script}' \"$1\"\n")
        editor.chmod(0o755)
        return self(*words, env={"KUBE_EDITOR": str(editor)})

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A command that runs as long as the block."""
        with subprocess.Popen(
            self._command(words), env=self._environment({}), cwd=self.folder,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as running:  # fmt: skip
            try:
                yield running
            finally:
                running.terminate()
