"""The state of a shell: variables, functions, options, traps and jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from pilothouse.runtime.simulated.cgroup import OBJECT, Account, size_of
from pilothouse.runtime.simulated.effects import Job
from pilothouse.runtime.simulated.files import Files
from pilothouse.runtime.simulated.programs.call import Inside
from pilothouse.runtime.simulated.shell import syntax
from pilothouse.runtime.simulated.shell.control import LONGEST_TEXT, ShellFailure


class Variables(dict[str, str]):
    """Variables by name; `hold` is told by how much they grow. Raises ShellFailure."""

    def __init__(self, variables: Mapping[str, str], hold: Callable[[int], None]) -> None:
        super().__init__(variables)
        self._hold = hold

    def __setitem__(self, name: str, value: str) -> None:
        if len(value) > LONGEST_TEXT:
            raise ShellFailure("out of memory")
        before = self.get(name)
        self._hold(len(value) + len(name) + 2 * OBJECT if before is None else len(value) - len(before))
        super().__setitem__(name, value)

    def discard(self, name: str) -> None:
        value = self.pop(name, None)
        if value is not None:
            self._hold(-len(value) - len(name) - 2 * OBJECT)


class State:
    """What commands may change, and ask."""

    def __init__(self, inside: Inside, arguments: Sequence[str] = ("sh",), depth: int = 0) -> None:
        self.inside = inside
        self.cgroup = inside.cgroup
        self.files: Files = inside.files
        self.account = Account(inside.cgroup)
        """Charged with `data` while the shell runs."""
        self.data = 0
        self.variables = Variables({}, self.hold)
        self.exported: set[str] = set()
        self.functions: dict[str, syntax.Function] = {}
        self.arguments = list(arguments)
        self.folder = "/"
        self.traps: dict[str, str] = {}
        self.pending: list[str] = []
        self.jobs: list[Job] = []
        self.jobs_begun = 0
        self.options = {"errexit": False, "nounset": False, "xtrace": False}
        self.last = 0
        self._depth = depth
        self.tested = 0

    def inherit(self, environment: Mapping[str, str]) -> None:
        """Take these exported variables, at the beginning."""
        self.variables = Variables({**self.variables, **environment}, self.hold)
        self.exported |= set(environment)
        self.data = size_of(self.variables) + size_of(self.variables.values()) + size_of(self.exported)

    def environment(self, more: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
        """What a program sees: the exported variables, and `more`."""
        self.cgroup.work(len(self.exported) * 0.2)
        own = {key: self.variables[key] for key in self.exported if key in self.variables}
        return {**own, **more}

    def export(self, name: str) -> None:
        if name not in self.exported:
            self.hold(len(name) + OBJECT)
            self.exported.add(name)

    def unset(self, name: str) -> None:
        """Forget the variable and the function of that name."""
        self.variables.discard(name)
        function = self.functions.pop(name, None)
        gone = len(name) + OBJECT if name in self.exported else 0
        self.exported.discard(name)
        self.hold(-gone - (function.size if function is not None else 0))

    def hold(self, size: int) -> None:
        """What the shell remembers has grown (or, where `size` is negative, shrunk). Raises OutOfMemory."""
        self.account.add(size)
        self.data += size

    def set_arguments(self, arguments: Sequence[str]) -> None:
        """`set -- argument...`"""
        self.hold(size_of(arguments) - size_of(self.arguments[1:]))
        self.arguments[1:] = arguments

    def define(self, function: syntax.Function) -> None:
        """`name() { ...; }`"""
        before = self.functions.get(function.name)
        self.hold(function.size - (before.size if before is not None else 0))
        self.functions[function.name] = function

    def trap(self, name: str, action: str | None) -> None:
        """Do `action` on a signal; None: what is done without a trap."""
        before = self.traps.pop(name, None)
        self.hold(len(action or "") - len(before or ""))
        if action is not None:
            self.traps[name] = action

    def signal(self, name: str) -> bool:
        """A signal such as `TERM` has come; whether the shell handles (or ignores) it itself."""
        if name not in self.traps:
            return False
        if self.traps[name] and name not in self.pending:
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
            number = int(name[:9])
            return [self.arguments[number]] if number < len(self.arguments) else None
        return [self.variables[name]] if name in self.variables else None
