"""The state of a shell: variables, functions, options, traps and jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pilothouse.runtime.simulated.effects import Job
from pilothouse.runtime.simulated.files import Files
from pilothouse.runtime.simulated.programs.call import Inside
from pilothouse.runtime.simulated.shell import syntax
from pilothouse.runtime.simulated.shell.control import LONGEST_TEXT, MOST_VARIABLES, ShellFailure


class Variables(dict[str, str]):
    """Variables by name: those it is made with, and MOST_VARIABLES more. Raises ShellFailure."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(variables)
        self._most = len(variables) + MOST_VARIABLES

    def __setitem__(self, name: str, value: str) -> None:
        if len(self) >= self._most and name not in self:
            raise ShellFailure("out of memory")
        if len(value) > LONGEST_TEXT:
            raise ShellFailure("out of memory")
        super().__setitem__(name, value)


class State:
    """What commands may change, and ask."""

    def __init__(self, inside: Inside, arguments: Sequence[str] = ("sh",), depth: int = 0) -> None:
        self.inside = inside
        self.files: Files = inside.files
        self.variables = Variables(inside.environment)
        self.exported = set(inside.environment)
        self.functions: dict[str, syntax.Command] = {}
        self.arguments = list(arguments)
        self.folder = "/"
        self.traps: dict[str, str] = {}
        self.pending: list[str] = []
        self.jobs: list[Job] = []
        self.options = {"errexit": False, "nounset": False, "xtrace": False}
        self.last = 0
        self._depth = depth
        self._commands_run = 0
        self.tested = 0

    def signal(self, name: str) -> bool:
        """A signal such as `TERM` has come; whether the shell handles (or ignores) it itself."""
        if name not in self.traps:
            return False
        if self.traps[name]:
            self.pending.append(name)
        return True

    def parameter(self, name: str) -> list[str] | None:
        """The values of a parameter; None if it is not set."""
        special = {
            "?": lambda: [str(self.last)],
            "$": lambda: ["1"],
            "!": lambda: [str(self.jobs[-1].number)] if self.jobs else [],
            "#": lambda: [str(len(self.arguments) - 1)],
            "@": lambda: self.arguments[1:],
            "*": lambda: self.arguments[1:],
        }
        if name in special:
            return special[name]()
        if name.isdigit():
            return [self.arguments[int(name)]] if int(name) < len(self.arguments) else None
        return [self.variables[name]] if name in self.variables else None
