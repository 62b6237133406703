"""The syntax tree of a shell script (POSIX shell command language, the part that containers' commands use)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    """Literal characters. `quoted`: they are neither split nor matched against file names."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """`$name`, `${name}`, `${name:-word}`; `operator` is one of "", ":-", "-", ":=", "=", ":+", "+", ":?", "?", "#"
    (length), "%", "%%", "#<" and "##<" (remove a suffix or prefix)."""

    name: str
    quoted: bool
    operator: str = ""
    argument: Word = ()


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(commands)`."""

    commands: Commands
    quoted: bool


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`$((expression))`."""

    expression: Word
    quoted: bool


Part: TypeAlias = "Text | Parameter | Substitution | Arithmetic"
Word: TypeAlias = "tuple[Part, ...]"


@dataclass(frozen=True, slots=True)
class Redirect:
    """`descriptor operator target`: operator is "<", ">", ">>", ">&" or "<<" (then `target` is the text itself)."""

    descriptor: int
    operator: str
    target: Word


@dataclass(frozen=True, slots=True)
class Simple:
    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class If:
    """(condition, body) pairs, and what `else` has."""

    branches: tuple[tuple[Commands, Commands], ...]
    otherwise: Commands
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Loop:
    """`while`, or `until`: goes on as long as the condition's success is `wanted`."""

    condition: Commands
    body: Commands
    wanted: bool
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class For:
    """`words` None: the positional parameters."""

    name: str
    words: tuple[Word, ...] | None
    body: Commands
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    subject: Word
    branches: tuple[tuple[tuple[Word, ...], Commands], ...]
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """`{ commands; }`, or `( commands )` with `subshell`: what it sets stays inside."""

    commands: Commands
    subshell: bool
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """`name() { commands; }`. `size`: the bytes that it takes."""

    name: str
    body: Command
    size: int = 0


Compound: TypeAlias = "Simple | If | Loop | For | Case | Group"
Command: TypeAlias = "Compound | Function"


@dataclass(frozen=True, slots=True)
class Pipeline:
    commands: tuple[Command, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class AndOr:
    """Pipelines with what joins each to the one before: "" for the first, "&&" or "||". `background`: ends in `&`."""

    pipelines: tuple[tuple[str, Pipeline], ...]
    background: bool = False


Commands: TypeAlias = "Sequence[AndOr]"
