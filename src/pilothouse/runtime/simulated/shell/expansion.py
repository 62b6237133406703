"""Words to the fields that a command gets (POSIX 2.6): parameters, substitutions, splitting, file names."""

from __future__ import annotations

import fnmatch
from collections.abc import Generator
from typing import TYPE_CHECKING

from pilothouse.runtime.simulated.effects import Effect
from pilothouse.runtime.simulated.shell import arithmetic, syntax
from pilothouse.runtime.simulated.shell.control import (
    LONGEST_TEXT,
    LONGEST_TRIMMED,
    MOST_FIELDS,
    MOST_PATTERNS,
    ShellFailure,
)

if TYPE_CHECKING:
    from pilothouse.runtime.simulated.shell.interpreter import Shell

_MAGIC = frozenset("*?[")


def fields(shell: Shell, words: tuple[syntax.Word, ...]) -> Generator[Effect, None, list[str]]:
    """All fields of some words. Raises ShellFailure."""
    expanded: list[str] = []
    size = patterns = 0
    for word in words:
        parts = yield from _word_fields(shell, word)
        for one in parts:
            plain = "".join(piece for piece, _ in one)
            matched = [plain]
            if any(not quoted and _MAGIC & set(piece) for piece, quoted in one):
                patterns += 1
                matched = _file_names(shell, plain) if patterns <= MOST_PATTERNS else matched
            size += sum(map(len, matched))
            expanded += matched
            if size > LONGEST_TEXT or len(expanded) > MOST_FIELDS:
                raise ShellFailure("argument list too long")
    return expanded


def text(shell: Shell, word: syntax.Word) -> Generator[Effect, None, str]:
    """A word as one text: neither split nor matched, as in assignments and redirections. Raises ShellFailure."""
    parts: list[str] = []
    for part in word:
        if isinstance(part, syntax.Text):
            parts.append(part.text)
        else:
            parts.append(" ".join((yield from _values(shell, part))))
    joined = "".join(parts)
    if len(joined) > LONGEST_TEXT:
        raise ShellFailure("out of memory")
    return joined


def pattern(shell: Shell, word: syntax.Word) -> Generator[Effect, None, str]:
    """A word as a pattern of fnmatch, in which quoted characters stand for themselves."""
    parts: list[str] = []
    for part in word:
        expanded = yield from text(shell, (part,))
        quoted = part.quoted
        parts.append("".join(f"[{c}]" if c in _MAGIC else c for c in expanded) if quoted else expanded)
    return "".join(parts)


def matches(subject: str, shell_pattern: str) -> bool:
    return fnmatch.fnmatchcase(subject, shell_pattern.replace("[^", "[!"))


def _word_fields(shell: Shell, word: syntax.Word) -> Generator[Effect, None, list[list[tuple[str, bool]]]]:
    """The fields of one word, each as its pieces and whether they were quoted: unquoted results of expansions are split
    at white space, and what is next to them is joined to the first and last piece."""
    open_field: list[tuple[str, bool]] | None = None
    complete: list[list[tuple[str, bool]]] = []
    for part in word:
        if isinstance(part, syntax.Text):
            literal = part.text
            if not part.quoted and open_field is None and literal.startswith("~") and literal[1:2] in ("", "/"):
                literal = shell.variables.get("HOME", "/root") + literal[1:]
            open_field = [*(open_field or ()), (literal, part.quoted)]
            continue
        values = yield from _values(shell, part)
        if part.quoted:
            each = isinstance(part, syntax.Parameter) and part.name == "@"
            pieces = values if each else [" ".join(values)]
            leading = trailing = False
        else:
            joined = " ".join(values)
            pieces = joined.split()
            leading, trailing = joined[:1].isspace(), joined[-1:].isspace()
        if leading and open_field is not None:
            complete.append(open_field)
            open_field = None
        for index, piece in enumerate(pieces):
            if index:
                complete.append(open_field or [])
                open_field = None
            open_field = [*(open_field or ()), (piece, part.quoted)]
        if trailing and open_field is not None:
            complete.append(open_field)
            open_field = None
    if open_field is not None:
        complete.append(open_field)
    return complete


def _file_names(shell: Shell, plain: str) -> list[str]:
    """The files that a pattern matches; the pattern itself if there are none."""
    folder, slash, last = plain.rpartition("/")
    if _MAGIC & set(folder):
        return [plain]
    where = shell.files.absolute(folder + slash, shell.folder)
    entry = shell.files.entry(where)
    names = shell.files.listing(where) if entry is not None and entry.data is None else []
    matching = [n for n in names if matches(n, last) and (last.startswith(".") or not n.startswith("."))]
    return [folder + slash + n for n in matching] or [plain]


def _values(shell: Shell, part: syntax.Part) -> Generator[Effect, None, list[str]]:
    """What an expansion stands for; several values for `$@` and `$*` alone."""
    if isinstance(part, syntax.Substitution):
        output = yield from shell.captured(part.commands)
        return [output.decode(errors="replace").rstrip("\n")]
    if isinstance(part, syntax.Arithmetic):
        expression = yield from text(shell, part.expression)
        try:
            return [str(arithmetic.evaluate(expression, lambda name: shell.variables.get(name, "")))]
        except arithmetic.ArithmeticFailure as failure:
            raise ShellFailure(str(failure)) from None
    if isinstance(part, syntax.Parameter):
        return (yield from _parameter(shell, part))
    return [part.text]


def _parameter(shell: Shell, part: syntax.Parameter) -> Generator[Effect, None, list[str]]:
    values = shell.parameter(part.name)
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
    return [_without(plain, shape, operator)]


def _without(value: str, shape: str, operator: str) -> str:
    """`value` without the shortest (or longest) suffix or prefix that matches."""
    if len(value) > LONGEST_TRIMMED:
        raise ShellFailure("value too long to be trimmed")
    cuts = range(len(value) + 1)
    if operator in ("%", "%%"):
        order = reversed(cuts) if operator == "%" else cuts
        return next((value[:cut] for cut in order if matches(value[cut:], shape)), value)
    order = cuts if operator == "#<" else reversed(cuts)
    return next((value[cut:] for cut in order if matches(value[:cut], shape)), value)
