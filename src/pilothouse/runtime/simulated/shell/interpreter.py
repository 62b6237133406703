"""Runs a syntax tree, as a generator of effects (POSIX 2.9, 2.11, 2.14).

A signal with a trap is handled between two commands, or ends a `wait`: as with a real shell, the command in the
foreground is waited for first: `trap 'exit 0' TERM; sleep 1000` outlives its grace,
and `sleep 1000 & wait` does not.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace

from pilothouse.runtime.simulated.cgroup import DECODED, FRAME, LONGEST_STEP, OBJECT, TooMuch, size_of
from pilothouse.runtime.simulated.effects import AwaitJob, Effect, Input, Job, Sleep, Steps, Streams
from pilothouse.runtime.simulated.files import FileFailure
from pilothouse.runtime.simulated.programs import roster
from pilothouse.runtime.simulated.programs.call import Call, Unknown
from pilothouse.runtime.simulated.shell import builtins, compound, expansion, lists, redirect, syntax
from pilothouse.runtime.simulated.shell.control import (
    LONGEST_TEXT,
    Break,
    Exit,
    Leave,
    Return,
    ShellFailure,
)
from pilothouse.runtime.simulated.shell.parser import BYTES, Lines
from pilothouse.runtime.simulated.shell.state import State, Variables
from pilothouse.runtime.simulated.shell.words import ScriptError

NOT_FOUND, MISUSED = 127, 2
DEEPEST_CALL = 60
LONGEST_CAPTURED = 4 * LONGEST_TEXT + 4
# Microseconds for a command and for a shell, without what they do.
_COMMAND, _FORK = 25.0, 150.0


class Shell(State):
    """One shell. Its methods are generators of effects."""

    _handling = False
    """Whether a trap is running."""

    # What others ask of it

    def script(self, text: str, streams: Streams) -> Steps:
        """Run a whole script, then what is to be done at its end; its exit code."""
        try:
            code = yield from self._script(text, streams)
        except Leave as leave:
            code = leave.code if isinstance(leave, (Exit, Return)) else self.last
        return (yield from self._at_exit(code, streams))

    def interactive(self, streams: Streams) -> Steps:
        """Run what is typed, line by line, until the input ends or says `exit`."""
        typed = ""
        while True:
            line = yield from streams.stdin.line()
            yield from self.cgroup.pace(len(line) * DECODED)
            typed += line.decode(errors="replace")
            try:
                if len(typed) > LONGEST_TEXT:
                    raise ScriptError("the command is too long")
                commands = yield from self._parsed(Lines(typed))
            except ScriptError as error:
                if (line and "end of file" in str(error)) or (line and "unterminated" in str(error)):
                    continue
                streams.stderr(f"sh: syntax error: {error}\n".encode())
                self.last, commands = MISUSED, ()
            typed = ""
            try:
                yield from self.run(commands, streams)
            except ShellFailure as failure:
                streams.stderr(f"sh: {failure}\n".encode())
                self.last = MISUSED
            except (Exit, Return) as leave:
                return (yield from self._at_exit(leave.code, streams))
            except Break:
                continue
            if not line:
                return (yield from self._at_exit(self.last, streams))

    def captured(self, commands: syntax.Commands) -> Generator[Effect, None, bytes]:
        """What some commands write, run in a subshell."""
        with self.cgroup.collecting(LONGEST_CAPTURED) as (output, write):
            self.last = yield from self.child().contained(commands, Streams(Input.of(b""), write, lambda data: None))
            yield from self.cgroup.pace(len(output) * DECODED)
            return bytes(output)

    # Commands

    def read(self, text: str, streams: Streams) -> Steps:
        """Run the commands of a text. Raises Leave, ShellFailure, ScriptError."""
        with self.cgroup.holding(len(text)):
            lines = Lines(text)
            while commands := (yield from self._parsed(lines)):
                with self.cgroup.holding(int(lines.spent * BYTES)):
                    yield from self.run(commands, streams)
        return self.last

    def _parsed(self, lines: Lines) -> Generator[Effect, None, syntax.Commands]:
        """The commands of the next line. What it takes is known afterwards only: something is paid before."""
        guessed = min(lines.ahead, LONGEST_STEP / 2)
        yield from self.cgroup.pace(guessed)
        try:
            return next(lines, ())
        finally:
            self.cgroup.work(max(lines.spent - guessed, 0))

    def run(self, commands: syntax.Commands, streams: Streams) -> Steps:
        """Run commands one after the other. Raises Leave, ShellFailure."""
        for one in commands:
            if one.background:
                yield from lists.background(self, one, streams)
                self.last = 0
            else:
                self.last = yield from lists.and_or(self, one, streams)
            yield from self.handle_signals(streams)
        return self.last

    def contained(self, commands: syntax.Commands, streams: Streams) -> Steps:
        """Run commands so that nothing leaves but their exit code: what a subshell does."""
        try:
            with self.cgroup.process(self.data) as self.account:
                return (yield from self.run(commands, streams))
        except (Exit, Return) as leave:
            return leave.code
        except Break:
            return self.last
        except (ShellFailure, TooMuch) as failure:
            streams.stderr(f"sh: {failure}\n".encode())
            return MISUSED

    def handle_signals(self, streams: Streams) -> Generator[Effect, None, None]:
        """Run the traps of signals that have come; those that come meanwhile have to wait."""
        while self.pending and not self._handling:
            before, self._handling = self.last, True
            try:
                yield from self._script(self.traps.get(self.pending.pop(0), ""), streams)
            finally:
                self.last, self._handling = before, False

    def _script(self, text: str, streams: Streams) -> Steps:
        try:
            return (yield from self.read(text, streams))
        except (ScriptError, ShellFailure, TooMuch) as failure:
            kind = "syntax error: " if isinstance(failure, ScriptError) else ""
            streams.stderr(f"sh: {kind}{failure}\n".encode())
            return MISUSED

    def _at_exit(self, code: int, streams: Streams) -> Steps:
        action = self.traps.pop("EXIT", "")
        self.last = code
        if not action:
            return code
        try:
            yield from self._script(action, streams)
        except Exit as leave:
            return leave.code
        except Leave:
            return code
        return code

    def child(self) -> Shell:
        if self._depth >= DEEPEST_CALL:
            raise ShellFailure("can't fork: Resource temporarily unavailable")
        self.cgroup.work(_FORK + 0.1 * (len(self.variables) + len(self.exported) + len(self.arguments)))
        child = Shell(self.inside, self.arguments, self._depth + 1)
        child.variables, child.exported = Variables(self.variables, child.hold), set(self.exported)
        child.functions, child.folder = dict(self.functions), self.folder
        child.options, child.last = dict(self.options), self.last
        child.data = self.data
        return child

    def command(self, command: syntax.Command, streams: Streams) -> Steps:
        yield from self.cgroup.pace(_COMMAND)
        if self._depth >= DEEPEST_CALL:
            raise ShellFailure("commands are nested too deeply")
        self._depth += 1
        try:
            with self.cgroup.holding(FRAME):
                return (yield from self._nested(command, streams))
        except TooMuch as failure:
            raise ShellFailure(str(failure)) from None
        finally:
            self._depth -= 1

    def _nested(self, command: syntax.Command, streams: Streams) -> Steps:
        if isinstance(command, syntax.Function):
            self.define(command)
            return 0
        if not command.redirects:
            return (yield from self._kind(command, streams))
        try:
            redirected = yield from redirect.redirected(self, command.redirects, streams)
        except FileFailure as failure:
            streams.stderr(f"sh: can't open {failure}\n".encode())
            return 1
        with self.cgroup.holding(len(redirected.stdin.data) if redirected.stdin is not streams.stdin else 0):
            return (yield from self._kind(command, redirected))

    def _kind(self, command: syntax.Compound, streams: Streams) -> Steps:
        match command:
            case syntax.Simple():
                return (yield from self._simple(command, streams))
            case syntax.Group(subshell=True):
                return (yield from self.child().contained(command.commands, streams))
            case syntax.Group():
                return (yield from self.run(command.commands, streams))
            case syntax.If():
                return (yield from compound.run_if(self, command, streams))
            case syntax.Loop():
                return (yield from compound.run_loop(self, command, streams))
            case syntax.For():
                return (yield from compound.run_for(self, command, streams))
            case syntax.Case():
                return (yield from compound.run_case(self, command, streams))

    def _simple(self, command: syntax.Simple, streams: Streams) -> Steps:
        with self.cgroup.holding() as account:
            before = self.last
            words = yield from expansion.fields(self, command.words)
            account.add(size_of(words))
            assigned: dict[str, str] = {}
            for name, word in command.assignments:
                assigned[name] = yield from expansion.text(self, word)
                account.add(len(assigned[name]) + OBJECT)
            return (yield from self._called(words, assigned, streams, before))

    def _called(self, words: list[str], assigned: Mapping[str, str], streams: Streams, before: int) -> Steps:
        """A simple command, expanded. `before`: the exit code before its words were."""
        if self.options["xtrace"]:
            shown = [*(f"{name}={value}" for name, value in assigned.items()), *words]
            streams.stderr(f"+ {' '.join(shown)}\n".encode())
        if not words:
            self._assign(assigned)
            return 0 if self.last == before else self.last
        yield from self.cgroup.pace(0.6 * len(words))
        name, arguments = words[0], words[1:]
        if name in self.functions:
            return (yield from self._function(self.functions[name].body, words, streams))
        if name in builtins.BUILTINS:
            self._assign(assigned)
            code = builtins.BUILTINS[name](self, arguments, streams)
            return code if isinstance(code, int) else (yield from code)
        return (yield from self.program(name, arguments, streams, self.environment(assigned)))

    def _assign(self, assigned: Mapping[str, str]) -> None:
        for name, value in assigned.items():
            self.variables[name] = value

    def _function(self, body: syntax.Command, words: Sequence[str], streams: Streams) -> Steps:
        outer, self.arguments = self.arguments, [self.arguments[0], *words[1:]]
        try:
            return (yield from self.command(body, streams))
        except Return as leave:
            return leave.code
        finally:
            self.arguments = outer

    def program(self, name: str, arguments: Sequence[str], streams: Streams, environment: Mapping[str, str]) -> Steps:
        """Run a program that is no part of the shell."""
        call = Call(name, tuple(arguments), streams, environment, self.folder, self.inside)
        return start_program(call, self._depth + 1)

    def wait(self, job: Job) -> Steps:
        """The exit code of a background job; 128 and more if a signal with a trap comes first."""
        while job.code is None:
            if self.pending:
                return 128 + builtins.SIGNALS.get(self.pending[0], 0)
            yield AwaitJob(job)
        return job.code


SHELLS = frozenset(("sh", "bash", "ash", "dash"))


def start_program(call: Call, depth: int = 0) -> Steps:
    """A program by its name or path: a shell, one of the roster, or one that nobody here knows."""
    program = replace(call, name=call.name.rpartition("/")[2])
    if program.name in SHELLS:
        return (yield from start_shell(program, depth))
    known = roster.PROGRAMS.get(program.name)
    if known is None:
        return (yield from run_unknown(call.name, call.inside.unknown, call.streams))
    try:
        call.inside.cgroup.work(len(call.arguments))
        code = known(program)
        return code if isinstance(code, int) else (yield from code)
    except TooMuch as failure:
        return program.complain(str(failure), 126)


def start_shell(call: Call, depth: int = 0, shell: Shell | None = None) -> Steps:
    """`sh`, `sh -c script [name argument...]` or `sh file [argument...]`. `shell` is given by who wants to send it
    signals."""
    if depth > DEEPEST_CALL:
        call.streams.stderr(b"sh: can't fork: Resource temporarily unavailable\n")
        return MISUSED
    arguments = list(call.arguments)
    call.inside.cgroup.work(_FORK + 0.3 * len(call.environment))
    shell = shell or Shell(call.inside, depth=depth)
    shell.inherit(call.environment)
    shell.folder = call.folder
    try:
        with call.inside.cgroup.process(shell.data) as shell.account:
            return (yield from _run_shell(call, shell, arguments))
    except TooMuch as failure:
        return call.complain(str(failure), MISUSED)


def _run_shell(call: Call, shell: Shell, arguments: list[str]) -> Steps:
    command = False
    while arguments and arguments[0][:1] in ("-", "+") and len(arguments[0]) > 1:
        letters = arguments.pop(0)
        command = command or "c" in letters
        builtins.set_options(shell, letters, arguments)
    if not command and not arguments:
        return (yield from shell.interactive(call.streams))
    if not arguments:
        return call.complain("-c requires an argument", MISUSED)
    first = arguments.pop(0)
    if command:
        shell.arguments = arguments or ["sh"]
        return (yield from shell.script(first, call.streams))
    shell.arguments = [first, *arguments]
    try:
        shell.cgroup.work(len(shell.files.read(call.path(first))) * DECODED)
        text = shell.files.read(call.path(first))
    except FileFailure as failure:
        return call.complain(f"can't open '{first}': {failure.reason}", NOT_FOUND)
    return (yield from shell.script(text.decode(errors="replace"), call.streams))


def run_unknown(name: str, unknown: Unknown, streams: Streams) -> Steps:
    """A program that is not among those here."""
    if unknown is Unknown.RUNS:
        while True:
            yield Sleep(None)
    if unknown is Unknown.SUCCEEDS or "/" in name:
        return 0
    streams.stderr(f"sh: {name}: not found\n".encode())
    return NOT_FOUND
