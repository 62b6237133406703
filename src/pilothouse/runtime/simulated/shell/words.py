"""Characters to words: quoting, expansions and here-documents (POSIX 2.2, 2.3, 2.6). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pilothouse.runtime.simulated.shell import syntax

DEEPEST = 40
# Microseconds for a part of a word, and for each character that is looked at one by one.
_PART, _CHARACTER = 4.0, 0.3
_SKIPPED = re.compile(r"(?:[ \t\r]|\\\n)+")
_NAME = re.compile(r"[A-Za-z_]\w*")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=")
_DESCRIPTOR = re.compile(r"(\d)(?=[<>])")
_OPERATORS = re.compile(r":[-=+?]|%%|##|[-=+?%#]")
_WORD_ENDS = " \t\r\n;&|<>()"
_BARE_WORD = re.compile(r"[^\s;&|<>()]+|$")


class ScriptError(ValueError):
    """The text is no script."""


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


@dataclass(slots=True)
class Budget:
    """What it takes to read a script, in microseconds, and how much of it may be read at once."""

    most: float
    spent: float = 0.0

    def spend(self, cost: float) -> None:
        """Raises ScriptError."""
        self.spent += cost
        if self.spent > self.most:
            raise ScriptError("the command is too long")


class Position:
    """A position in a script, and what is skipped on the way."""

    def __init__(self, text: str, budget: Budget) -> None:
        self._text = text
        self.budget = budget
        self._at = 0
        self._documents: list[int] = []

    def at_end(self) -> bool:
        return self._at >= len(self._text)

    def at_any(self, characters: str) -> bool:
        """Whether one of them comes next."""
        return self._text[self._at : self._at + 1] in characters and not self.at_end()

    def rest_of_line(self) -> int:
        """How many characters are left of it."""
        end = self._text.find("\n", self._at)
        return (len(self._text) if end < 0 else end) - self._at

    def peek(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def accept(self, text: str) -> bool:
        """Read `text` if it comes next."""
        self.skip_blanks()
        matches = self.peek(text)
        self._at += len(text) if matches else 0
        return matches

    def peek_word(self) -> str:
        """The unquoted characters up to the next space or operator; "" if there are none."""
        self.skip_blanks()
        match = _BARE_WORD.match(self._text, self._at)
        return match[0] if match else self._text[self._at : self._at + 1]

    def skip_blanks(self) -> None:
        """Spaces, continued lines and comments."""
        match = _SKIPPED.match(self._text, self._at)
        if match is not None:
            self.budget.spend(_CHARACTER * (match.end() - self._at))
            self._at = match.end()
        if self._text.startswith("#", self._at) and (self._at == 0 or self._text[self._at - 1] in " \t\n;"):
            end = self._text.find("\n", self._at)
            self._at = len(self._text) if end < 0 else end

    def skip_newlines(self) -> None:
        self.skip_blanks()
        while self.peek("\n"):
            self._newline()
            self.skip_blanks()

    def skip_separators(self) -> None:
        """Newlines, and semicolons that stand alone."""
        while True:
            self.skip_newlines()
            if not self.peek(";") or self.peek(";;"):
                return
            self._at += 1

    def _newline(self) -> None:
        self._at += 1
        if self._documents:
            self._at = max(self._at, self._documents.pop())


class Scanner(Position):
    """Reads words. `parse` makes the commands of a substitution from its text."""

    def __init__(self, text: str, parse: Callable[[str], syntax.Commands], budget: Budget, depth: int) -> None:
        if depth > DEEPEST:
            raise ScriptError("nested too deeply")
        super().__init__(text, budget)
        self._parse = parse
        self._depth = depth

    def descriptor(self) -> int | None:
        """The number in front of a redirection."""
        match = _DESCRIPTOR.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return int(match[1])

    def assignment(self) -> tuple[str, syntax.Word] | None:
        """`name=word`."""
        self.skip_blanks()
        match = _ASSIGNMENT.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        at_word = not self.at_end() and self._text[self._at] not in _WORD_ENDS
        return match[1], (self.word() or ()) if at_word else ()

    def word(self) -> syntax.Word | None:
        """The next word; None where an operator or the end stands."""
        self.skip_blanks()
        parts: list[syntax.Part] = []
        text, began = self._text, self._at
        while self._at < len(text) and text[self._at] not in _WORD_ENDS:
            self._part(parts)
        return tuple(parts) if self._at > began else None

    def _part(self, parts: list[syntax.Part]) -> None:
        text, character = self._text, self._text[self._at]
        self.budget.spend(_PART)
        if character == "'":
            end = text.find("'", self._at + 1)
            if end < 0:
                raise ScriptError("unterminated quoted string")
            parts.append(syntax.Text(text[self._at + 1 : end], True))
            self._at = end + 1
        elif character == '"':
            self._at += 1
            parts.append(syntax.Text("", True))
            parts.extend(self._until('"'))
            self._at += 1
        elif character == "\\":
            if not text.startswith("\\\n", self._at):
                parts.append(syntax.Text(text[self._at + 1 : self._at + 2], True))
            self._at += 2
        elif character in "$`":
            parts.append(self._expansion(quoted=False))
        else:
            end = self._at
            while end < len(text) and text[end] not in _WORD_ENDS and text[end] not in "'\"\\$`":
                end += 1
            parts.append(syntax.Text(text[self._at : end]))
            self._at = end

    def _until(self, end: str) -> list[syntax.Part]:
        """What stands between double quotes, or in a here-document (`end` is "": up to the end of the text)."""
        parts: list[syntax.Part] = []
        text, plain = self._text, ""
        while self._at < len(text) and not (end and text[self._at] == end):
            character = text[self._at]
            if character == "\\" and self._at + 1 < len(text) and text[self._at + 1] in '$`"\\\n':
                plain += "" if text[self._at + 1] == "\n" else text[self._at + 1]
                self._at += 2
            elif character in "$`":
                self.budget.spend(_PART)
                parts.append(syntax.Text(plain, True))
                plain = ""
                parts.append(self._expansion(quoted=True))
            else:
                plain += character
                self._at += 1
        if end and self.at_end():
            raise ScriptError("unterminated quoted string")
        return [*parts, syntax.Text(plain, True)]

    def _expansion(self, *, quoted: bool) -> syntax.Part:
        if self.peek("`"):
            return syntax.Substitution(self._parse(self._backquoted()), quoted)
        if self.peek("$(("):
            inner = self._balanced(self._at + 3)
            if self.peek(")"):
                self._at += 1
                return syntax.Arithmetic(self._inner(inner), quoted)
            raise ScriptError("bad arithmetic expression")
        if self.peek("$("):
            return syntax.Substitution(self._parse(self._balanced(self._at + 2)), quoted)
        if self.peek("${"):
            return self._braced(quoted)
        self._at += 1
        match = _NAME.match(self._text, self._at) or re.compile(r"[0-9?$#@*!]").match(self._text, self._at)
        if match is None:
            return syntax.Text("$", True)
        self._at = match.end()
        return syntax.Parameter(match[0], quoted)

    def _inner(self, text: str) -> syntax.Word:
        """A text that is expanded as if in double quotes."""
        return tuple(Scanner(text, self._parse, self.budget, self._depth + 1)._until(""))

    def _backquoted(self) -> str:
        end = self._text.find("`", self._at + 1)
        if end < 0:
            raise ScriptError("unterminated backquote")
        inner = self._text[self._at + 1 : end]
        self._at = end + 1
        return inner

    def _balanced(self, begin: int) -> str:
        """The text from `begin` to the parenthesis that closes it, which is read."""
        text, depth, at, quote = self._text, 1, begin, ""
        while at < len(text):
            character = text[at]
            if character == "\\":
                at += 1
            elif quote:
                quote = "" if character == quote else quote
            elif character in "'\"":
                quote = character
            else:
                depth += (character == "(") - (character == ")")
                if depth == 0:
                    self.budget.spend(_CHARACTER * (at - begin))
                    self._at = at + 1
                    return text[begin:at]
            at += 1
        raise ScriptError('unexpected end of file (expecting ")")')

    def _braced(self, quoted: bool) -> syntax.Part:
        self._at += 2
        if self.peek("#") and not self.peek("#}"):
            self._at += 1
            name = self._parameter_name()
            self._close_brace()
            return syntax.Parameter(name, quoted, "#")
        name = self._parameter_name()
        match = _OPERATORS.match(self._text, self._at)
        if match is None:
            self._close_brace()
            return syntax.Parameter(name, quoted)
        operator = match[0] + "<" if match[0] in ("#", "##") else match[0]
        self._at = match.end()
        argument: list[syntax.Part] = []
        while not self.at_end() and not self.peek("}"):
            if self._text[self._at] in _WORD_ENDS:
                argument.append(syntax.Text(self._text[self._at]))
                self._at += 1
                continue
            begin = self._at
            if self._text[begin] in "'\"\\$`":
                self._part(argument)
                continue
            while self._at < len(self._text) and self._text[self._at] not in "'\"\\$`}" + _WORD_ENDS:
                self._at += 1
            argument.append(syntax.Text(self._text[begin : self._at]))
        self._close_brace()
        return syntax.Parameter(name, quoted, operator, tuple(argument))

    def _parameter_name(self) -> str:
        match = _NAME.match(self._text, self._at) or re.compile(r"\d+|[?$#@*!]").match(self._text, self._at)
        if match is None:
            raise ScriptError("bad substitution")
        self._at = match.end()
        return match[0]

    def _close_brace(self) -> None:
        if not self.peek("}"):
            raise ScriptError("bad substitution")
        self._at += 1

    def here_document(self, delimiter: syntax.Word, *, strip: bool) -> syntax.Word:
        """The lines after this one up to the delimiter; expanded unless a part of that was quoted. Lines are skipped
        when the scanner comes to them."""
        end = "".join(part.text for part in delimiter if isinstance(part, syntax.Text))
        quoted = any(isinstance(part, syntax.Text) and part.quoted for part in delimiter)
        newline = self._text.find("\n", self._at)
        at = self._documents[0] if self._documents else len(self._text) if newline < 0 else newline + 1
        lines: list[str] = []
        while at < len(self._text):
            stop = self._text.find("\n", at)
            stop = len(self._text) if stop < 0 else stop
            line = self._text[at:stop]
            line = line.lstrip("\t") if strip else line
            at = stop + 1
            if line == end:
                break
            lines.append(line + "\n")
        self._documents[:] = [at]
        body = "".join(lines)
        self.budget.spend(_CHARACTER * len(body))
        return (syntax.Text(body, True),) if quoted else self._inner(body)
