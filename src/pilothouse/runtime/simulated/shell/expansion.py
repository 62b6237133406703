"""Words to the fields that a command gets (POSIX 2.6): parameters, substitutions, splitting, file names."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pilothouse.runtime.simulated import patterns
from pilothouse.runtime.simulated.cgroup import Account, size_of
from pilothouse.runtime.simulated.effects import Effect
from pilothouse.runtime.simulated.shell import arithmetic, syntax
from pilothouse.runtime.simulated.shell.control import LONGEST_TEXT, ShellFailure

if TYPE_CHECKING:
    from pilothouse.runtime.simulated.shell.interpreter import Shell

# Microseconds for a part of a word, and for a field that comes of it.
_PART, _FIELD = 2.0, 5.0


@dataclass(slots=True)
class _Field:
    """A field in the making: its pieces, and whether they were quoted."""

    pieces: list[tuple[str, bool]] = field(default_factory=list)

    def add(self, text: str, quoted: bool) -> None:
        self.pieces.append((text, quoted))

    @property
    def plain(self) -> str:
        return "".join(text for text, _ in self.pieces)

    @property
    def magic(self) -> bool:
        return any(not quoted and not patterns.MAGIC.isdisjoint(text) for text, quoted in self.pieces)

    @property
    def pattern(self) -> str:
        """What was quoted stands for itself."""
        return "".join(patterns.quoted(text) if quoted else text for text, quoted in self.pieces)


def fields(shell: Shell, words: tuple[syntax.Word, ...]) -> Generator[Effect, None, list[str]]:
    """All fields of some words. Raises ShellFailure."""
    expanded: list[str] = []
    with shell.cgroup.holding() as account:
        for word in words:
            for one in (yield from _word_fields(shell, word, account)):
                matched = (yield from _file_names(shell, one)) if one.magic else [one.plain]
                account.add(size_of(matched))
                expanded += matched
    return expanded


def text(shell: Shell, word: syntax.Word) -> Generator[Effect, None, str]:
    """A word as one text: neither split nor matched, as in assignments and redirections. Raises ShellFailure."""
    parts: list[str] = []
    with shell.cgroup.holding() as account:
        for part in word:
            values = yield from _values(shell, part)
            _gather(account, values)
            parts.append(" ".join(values))
    return "".join(parts)


def pattern(shell: Shell, word: syntax.Word) -> Generator[Effect, None, str]:
    """A word as a pattern, in which quoted characters stand for themselves."""
    parts: list[str] = []
    for part in word:
        expanded = yield from text(shell, (part,))
        yield from shell.cgroup.pace(len(expanded) * 0.5)
        parts.append(patterns.quoted(expanded) if part.quoted else expanded)
    return "".join(parts)


def matches(shell: Shell, subject: str, shape: str) -> Generator[Effect, None, bool]:
    """Whether a pattern matches all of a text."""
    compiled = yield from _glob(shell, shape)
    yield from shell.cgroup.pace(compiled.price(len(subject)))
    return compiled.whole(subject)


def _glob(
    shell: Shell, shape: str, *, backwards: bool = False, greedy: bool = True
) -> Generator[Effect, None, patterns.Pattern]:
    yield from shell.cgroup.pace(patterns.price(shape))
    try:
        return patterns.glob(shape, backwards=backwards, greedy=greedy)
    except patterns.BadPattern:
        return patterns.glob(patterns.quoted(shape), backwards=backwards)


def _gather(account: Account, values: list[str], before: int = 0) -> None:
    """Account for some texts more, `before` of which there was something. Raises ShellFailure if all of it is more than
    one text may have."""
    account.add(sum(map(len, values)) + len(values))
    if account.size - before > LONGEST_TEXT:
        raise ShellFailure("out of memory")


def _word_fields(shell: Shell, word: syntax.Word, account: Account) -> Generator[Effect, None, list[_Field]]:
    """The fields of one word: unquoted results of expansions are split at white space, and what is next to them is
    joined to the first and last piece."""
    current: _Field | None = None
    complete: list[_Field] = []
    before = account.size
    for part in word:
        if isinstance(part, syntax.Text):
            literal = part.text
            if not part.quoted and current is None and literal.startswith("~") and literal[1:2] in ("", "/"):
                literal = shell.variables.get("HOME", "/root") + literal[1:]
            current = current or _Field()
            current.add(literal, part.quoted)
            continue
        values = yield from _values(shell, part)
        _gather(account, values, before)
        if part.quoted:
            each = isinstance(part, syntax.Parameter) and part.name == "@"
            pieces = values if each else [" ".join(values)]
            leading = trailing = False
        else:
            joined = " ".join(values)
            pieces = joined.split()
            leading, trailing = joined[:1].isspace(), joined[-1:].isspace()
        if leading and current is not None:
            complete.append(current)
            current = None
        for index, piece in enumerate(pieces):
            yield from shell.cgroup.pace(_FIELD)
            if index:
                complete.append(current or _Field())
                current = None
            current = current or _Field()
            current.add(piece, part.quoted)
        if trailing and current is not None:
            complete.append(current)
            current = None
    if current is not None:
        complete.append(current)
    return complete


def _file_names(shell: Shell, one: _Field) -> Generator[Effect, None, list[str]]:
    """The files that a pattern matches; the pattern itself if there are none."""
    folder, slash, _ = one.plain.rpartition("/")
    if not patterns.MAGIC.isdisjoint(folder):
        return [one.plain]
    where = shell.files.absolute(folder + slash, shell.folder)
    entry = shell.files.entry(where)
    yield from shell.cgroup.pace(shell.files.price + len(one.plain))
    last = one.pattern.rpartition("/")[2]
    compiled = yield from _glob(shell, last)
    names = shell.files.listing(where) if entry is not None and entry.data is None else []
    matching = []
    for name in names:
        yield from shell.cgroup.pace(2 + compiled.price(len(name)))
        if compiled.whole(name) and (last.startswith(".") or not name.startswith(".")):
            matching.append(folder + slash + name)
    return matching or [one.plain]


def _values(shell: Shell, part: syntax.Part) -> Generator[Effect, None, list[str]]:
    """What an expansion stands for; several values for `$@` and `$*` alone."""
    yield from shell.cgroup.pace(_PART)
    if isinstance(part, syntax.Substitution):
        output = yield from shell.captured(part.commands)
        return [output.decode(errors="replace").rstrip("\n")]
    if isinstance(part, syntax.Arithmetic):
        expression = yield from text(shell, part.expression)
        yield from shell.cgroup.pace(arithmetic.PRICE * len(expression))
        try:
            return [str(arithmetic.evaluate(expression, lambda name: shell.variables.get(name, "")))]
        except arithmetic.ArithmeticFailure as failure:
            raise ShellFailure(str(failure)) from None
    if isinstance(part, syntax.Parameter):
        return (yield from _parameter(shell, part))
    return [part.text]


def _parameter(shell: Shell, part: syntax.Parameter) -> Generator[Effect, None, list[str]]:
    values = shell.parameter(part.name)
    yield from shell.cgroup.pace(len(values or ()) * 0.1)
    operator = part.operator
    if not operator:
        if values is None and shell.options["nounset"]:
            raise ShellFailure(f"{part.name}: parameter not set")
        return values or []
    plain = " ".join(values or [])
    if operator == "#":
        return [str(len(plain))]
    missing = values is None or (operator.startswith(":") and not plain)
    if operator[-1] == "+":
        return [] if missing else [(yield from text(shell, part.argument))]
    if operator[-1] in "-=?":
        if not missing:
            return values or []
        argument = yield from text(shell, part.argument)
        if operator[-1] == "?":
            raise ShellFailure(f"{part.name}: {argument or 'parameter not set'}")
        if operator[-1] == "=":
            shell.variables[part.name] = argument
        return [argument]
    shape = yield from pattern(shell, part.argument)
    return [(yield from _without(shell, plain, shape, operator))]


def _without(shell: Shell, value: str, shape: str, operator: str) -> Generator[Effect, None, str]:
    """`value` without the shortest (or longest) suffix or prefix that matches. A suffix is the prefix of what is read
    backwards."""
    backwards = operator[0] == "%"
    subject = value[::-1] if backwards else value
    compiled = yield from _glob(shell, shape, backwards=backwards, greedy=operator in ("%%", "##<"))
    yield from shell.cgroup.pace(compiled.price(len(value)))
    cut = compiled.prefix(subject) or 0
    return value[: len(value) - cut] if backwards else value[cut:]
