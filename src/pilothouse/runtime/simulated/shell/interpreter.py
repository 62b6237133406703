"""Runs a syntax tree, as a generator of effects (POSIX 2.9, 2.11, 2.14).

A signal with a trap is handled between two commands, or ends a `wait`: as with a real shell, the command in the
foreground is waited for first: `trap 'exit 0' TERM; sleep 1000` outlives its grace,
and `sleep 1000 & wait` does not.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace

from pilothouse.runtime.simulated.effects import AwaitJob, Effect, Input, Job, Sleep, Start, Steps, Streams, limited
from pilothouse.runtime.simulated.files import FileFailure
from pilothouse.runtime.simulated.programs import roster
from pilothouse.runtime.simulated.programs.call import Call, Unknown
from pilothouse.runtime.simulated.shell import builtins, compound, expansion, redirect, syntax
from pilothouse.runtime.simulated.shell.control import (
    LARGEST_PIPE,
    LONGEST_TYPED,
    MOST_ARGUMENTS,
    MOST_FUNCTIONS,
    Break,
    Exit,
    Leave,
    Return,
    ShellFailure,
)
from pilothouse.runtime.simulated.shell.parser import parse
from pilothouse.runtime.simulated.shell.state import State, Variables
from pilothouse.runtime.simulated.shell.words import ScriptError

NOT_FOUND, MISUSED = 127, 2
DEEPEST_CALL = 60
# A script that never waits is given a pause: it shares its thread with everything else.
YIELD_EVERY, REST_EVERY, REST_SECONDS = 20, 400, 1.0


class Shell(State):
    """One shell. Its methods are generators of effects."""

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
            typed += line.decode(errors="replace")
            try:
                if len(typed) > LONGEST_TYPED:
                    raise ScriptError("the command is too long")
                commands = parse(typed)
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
        output = bytearray()
        child = self._child()
        streams = Streams(Input.of(b""), limited(output, LARGEST_PIPE), lambda data: None)
        self.last = yield from child.contained(commands, streams)
        return bytes(output)

    # Commands

    def run(self, commands: syntax.Commands, streams: Streams) -> Steps:
        """Run commands one after the other. Raises Leave, ShellFailure."""
        for one in commands:
            if one.background:
                yield from self._background(one, streams)
                self.last = 0
            else:
                self.last = yield from self._and_or(one, streams)
            yield from self.handle_signals(streams)
        return self.last

    def contained(self, commands: syntax.Commands, streams: Streams) -> Steps:
        """Run commands so that nothing leaves but their exit code: what a subshell does."""
        try:
            return (yield from self.run(commands, streams))
        except (Exit, Return) as leave:
            return leave.code
        except Break:
            return self.last
        except ShellFailure as failure:
            streams.stderr(f"sh: {failure}\n".encode())
            return MISUSED

    def handle_signals(self, streams: Streams) -> Generator[Effect, None, None]:
        """Run the traps of signals that have come."""
        while self.pending:
            before = self.last
            yield from self.run(parse(self.traps.get(self.pending.pop(0), "")), streams)
            self.last = before

    def _script(self, text: str, streams: Streams) -> Steps:
        try:
            return (yield from self.run(parse(text), streams))
        except (ScriptError, ShellFailure) as failure:
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

    def _child(self) -> Shell:
        if self._depth >= DEEPEST_CALL:
            raise ShellFailure("can't fork: Resource temporarily unavailable")
        child = Shell(self.inside, self.arguments, self._depth + 1)
        child.variables, child.exported = Variables(self.variables), set(self.exported)
        child.functions, child.folder = dict(self.functions), self.folder
        child.options, child.last = dict(self.options), self.last
        return child

    def _background(self, one: syntax.AndOr, streams: Streams) -> Generator[Effect, None, None]:
        child = self._child()
        quiet = Streams(Input.of(b""), streams.stdout, streams.stderr)
        number = 2 + len(self.jobs)
        job = Job(number, child.contained((syntax.AndOr(one.pipelines),), quiet))
        self.jobs.append(job)
        if len(self.jobs) > 100:
            raise ShellFailure("can't fork: Resource temporarily unavailable")
        yield Start(job)

    def _and_or(self, one: syntax.AndOr, streams: Streams) -> Steps:
        code, final = 0, len(one.pipelines) - 1
        for index, (operator, pipeline) in enumerate(one.pipelines):
            if (operator == "&&" and code != 0) or (operator == "||" and code == 0):
                continue
            tested = index < final or pipeline.negated
            self.tested += tested
            try:
                code = yield from self._pipeline(pipeline, streams)
            finally:
                self.tested -= tested
            self.last = code
            if code != 0 and not tested and not self.tested and self.options["errexit"]:
                raise Exit(code)
        return code

    def _pipeline(self, pipeline: syntax.Pipeline, streams: Streams) -> Steps:
        *before, final = pipeline.commands
        stdin = streams.stdin
        for command in before:
            output = bytearray()
            piped = Streams(stdin, limited(output, LARGEST_PIPE), streams.stderr)
            one = syntax.AndOr((("", syntax.Pipeline((command,))),))
            yield from self._child().contained((one,), piped)
            stdin = Input.of(bytes(output))
        if before:
            one = syntax.AndOr((("", syntax.Pipeline((final,))),))
            code = yield from self._child().contained((one,), Streams(stdin, streams.stdout, streams.stderr))
        else:
            code = yield from self._command(final, streams)
        return int(not code) if pipeline.negated else code

    def _command(self, command: syntax.Command, streams: Streams) -> Steps:
        self._commands_run += 1
        if self._commands_run % YIELD_EVERY == 0:
            yield Sleep(REST_SECONDS if self._commands_run % REST_EVERY == 0 else 0.0)
        if self._depth >= DEEPEST_CALL:
            raise ShellFailure("commands are nested too deeply")
        self._depth += 1
        try:
            return (yield from self._nested(command, streams))
        finally:
            self._depth -= 1

    def _nested(self, command: syntax.Command, streams: Streams) -> Steps:
        if isinstance(command, syntax.Function):
            if len(self.functions) >= MOST_FUNCTIONS:
                raise ShellFailure("out of memory")
            self.functions[command.name] = command.body
            return 0
        try:
            streams = yield from redirect.redirected(self, command.redirects, streams)
        except FileFailure as failure:
            streams.stderr(f"sh: can't open {failure}\n".encode())
            return 1
        match command:
            case syntax.Simple():
                return (yield from self._simple(command, streams))
            case syntax.Group(subshell=True):
                return (yield from self._child().contained(command.commands, streams))
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
        before = self.last
        words = yield from expansion.fields(self, command.words)
        assigned = {}
        for name, word in command.assignments:
            assigned[name] = yield from expansion.text(self, word)
        if self.options["xtrace"]:
            shown = [*(f"{name}={value}" for name, value in assigned.items()), *words]
            streams.stderr(f"+ {' '.join(shown)}\n".encode())
        if not words:
            self._assign(assigned)
            return 0 if self.last == before else self.last
        name, arguments = words[0], words[1:]
        if name in self.functions:
            return (yield from self._function(self.functions[name], words, streams))
        if name in builtins.BUILTINS:
            self._assign(assigned)
            code = builtins.BUILTINS[name](self, arguments, streams)
            return code if isinstance(code, int) else (yield from code)
        exported = {key: self.variables[key] for key in self.exported if key in self.variables} | assigned
        return (yield from self.program(name, arguments, streams, exported))

    def _assign(self, assigned: Mapping[str, str]) -> None:
        for name, value in assigned.items():
            self.variables[name] = value

    def _function(self, body: syntax.Command, words: Sequence[str], streams: Streams) -> Steps:
        outer, self.arguments = self.arguments, [self.arguments[0], *words[1:]]
        try:
            return (yield from self._command(body, streams))
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
    if known is not None and len(call.arguments) > MOST_ARGUMENTS and program.name not in ("echo", "printf"):
        return program.complain("Argument list too long", 126)
    if known is None:
        return (yield from run_unknown(call.name, call.inside.unknown, call.streams))
    code = known(program)
    return code if isinstance(code, int) else (yield from code)


def start_shell(call: Call, depth: int = 0, shell: Shell | None = None) -> Steps:
    """`sh`, `sh -c script [name argument...]` or `sh file [argument...]`. `shell` is given by who wants to send it
    signals."""
    if depth > DEEPEST_CALL:
        call.streams.stderr(b"sh: can't fork: Resource temporarily unavailable\n")
        return MISUSED
    arguments = list(call.arguments)
    shell = shell or Shell(call.inside, depth=depth)
    shell.variables = Variables(shell.variables | dict(call.environment))
    shell.exported.update(call.environment)
    shell.folder = call.folder
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
