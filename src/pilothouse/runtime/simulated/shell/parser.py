"""Text to syntax tree, by recursive descent. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pilothouse.runtime.simulated.cgroup import LONGEST_STEP
from pilothouse.runtime.simulated.shell import syntax
from pilothouse.runtime.simulated.shell.words import DEEPEST, Budget, Scanner, ScriptError, is_name

_COMPOUND_ENDS = frozenset(("then", "else", "elif", "fi", "do", "done", "esac", "}"))
# Microseconds for a simple command and for a redirection, without their words.
_COMMAND, _REDIRECT = 30.0, 20.0
# What a syntax tree takes in memory, for each microsecond that it took to read it.
BYTES = 40
_REDIRECTS = (">>", ">&", "<<-", "<<", "<&", ">|", ">", "<")


def parse(text: str) -> syntax.Commands:
    """The commands of a script. Raises ScriptError for what is no shell script, or nests deeper than `DEEPEST`."""
    return tuple(command for line in Lines(text) for command in line)


class Lines:
    """The commands of a script, a line at a time, as a shell reads it: what stands before an error is run. A line goes
    on up to the end of the compound commands that it begins. `ahead` is the number of characters up to its end."""

    def __init__(self, text: str, most: float = LONGEST_STEP) -> None:
        self._budget = Budget(most)
        self._parser = Parser(text, self._budget)

    @property
    def ahead(self) -> int:
        return self._parser.scanner.rest_of_line()

    @property
    def spent(self) -> float:
        """Microseconds that it took to read the last line."""
        return self._budget.spent

    def __iter__(self) -> Iterator[syntax.Commands]:
        return self

    def __next__(self) -> syntax.Commands:
        """Raises ScriptError."""
        self._budget.spent = 0.0
        commands = self._parser.line()
        if not commands:
            raise StopIteration
        return commands


class Parser:
    """Each method reads one production of the grammar at the scanner's position."""

    def __init__(self, text: str, budget: Budget, depth: int = 0) -> None:
        self.scanner = Scanner(text, lambda inner: Parser(inner, budget, depth + 1).whole(), budget, depth)
        self._budget = budget
        self._depth = depth

    def line(self) -> syntax.Commands:
        """What stands on the next line that has commands; nothing at the end."""
        scanner = self.scanner
        scanner.skip_separators()
        parsed: list[syntax.AndOr] = []
        while not scanner.at_end() and not scanner.peek("\n"):
            if scanner.peek(")") or scanner.peek(";"):
                raise ScriptError(f'unexpected "{scanner.peek_word()}"')
            parsed.append(self._and_or())
            scanner.skip_blanks()
        return tuple(parsed)

    def whole(self) -> syntax.Commands:
        commands = self.commands(())
        if not self.scanner.at_end():
            raise ScriptError(f'unexpected "{self.scanner.peek_word()}"')
        return commands

    def commands(self, ends: Sequence[str]) -> syntax.Commands:
        """A list of and-or lists, up to one of the reserved words or characters `ends`, which is not read."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise ScriptError("nested too deeply")
        parsed: list[syntax.AndOr] = []
        scanner = self.scanner
        while True:
            scanner.skip_separators()
            if scanner.at_end() or scanner.peek_word() in ends or scanner.peek(")") or scanner.peek(";;"):
                break
            parsed.append(self._and_or())
        self._depth -= 1
        return tuple(parsed)

    def _and_or(self) -> syntax.AndOr:
        pipelines = [("", self._pipeline())]
        scanner = self.scanner
        while True:
            scanner.skip_blanks()
            if not scanner.at_any("&|"):
                break
            operator = next((o for o in ("&&", "||") if scanner.accept(o)), None)
            if operator is None:
                break
            scanner.skip_newlines()
            pipelines.append((operator, self._pipeline()))
        background = scanner.accept("&")
        if not background and not scanner.peek(";;"):
            scanner.accept(";")
        return syntax.AndOr(tuple(pipelines), background)

    def _pipeline(self) -> syntax.Pipeline:
        scanner = self.scanner
        negated = False
        while scanner.peek_word() == "!":
            scanner.word()
            negated = not negated
        commands = [self._command()]
        while not scanner.peek("||") and scanner.accept("|"):
            scanner.skip_newlines()
            commands.append(self._command())
        return syntax.Pipeline(tuple(commands), negated)

    def _command(self) -> syntax.Command:
        scanner = self.scanner
        self._budget.spend(_COMMAND)
        scanner.skip_blanks()
        if scanner.accept("("):
            commands = self.commands(())
            self._expect_character(")")
            return syntax.Group(commands, True, self._redirects())
        word = scanner.peek_word()
        if word in _COMPOUND:
            scanner.word()
            return _COMPOUND[word](self)
        if word in _COMPOUND_ENDS:
            raise ScriptError(f'unexpected "{word}"')
        return self._simple()

    def _if(self) -> syntax.Command:
        branches = []
        otherwise: syntax.Commands = ()
        while True:
            condition = self._until_word("then")
            body = self.commands(("elif", "else", "fi"))
            branches.append((condition, body))
            word = self._keyword()
            if word == "else":
                otherwise = self._until_word("fi")
            if word != "elif":
                break
        return syntax.If(tuple(branches), otherwise, self._redirects())

    def _while(self) -> syntax.Command:
        condition = self._until_word("do")
        return syntax.Loop(condition, self._until_word("done"), True, self._redirects())

    def _until(self) -> syntax.Command:
        condition = self._until_word("do")
        return syntax.Loop(condition, self._until_word("done"), False, self._redirects())

    def _for(self) -> syntax.Command:
        scanner = self.scanner
        name = self._keyword()
        if not is_name(name):
            raise ScriptError(f'bad for loop variable "{name}"')
        scanner.skip_newlines()
        words: list[syntax.Word] | None = None
        if scanner.peek_word() == "in":
            scanner.word()
            words = []
            while (word := scanner.word()) is not None:
                words.append(word)
        scanner.skip_separators()
        if self._keyword() != "do":
            raise ScriptError('expecting "do"')
        body = self._until_word("done")
        return syntax.For(name, None if words is None else tuple(words), body, self._redirects())

    def _case(self) -> syntax.Command:
        scanner = self.scanner
        subject = scanner.word()
        if subject is None:
            raise ScriptError("expecting word")
        scanner.skip_newlines()
        if self._keyword() != "in":
            raise ScriptError('expecting "in"')
        branches = []
        while True:
            scanner.skip_separators()
            if scanner.at_end():
                raise ScriptError('unexpected end of file (expecting "esac")')
            if scanner.peek_word() == "esac":
                scanner.word()
                break
            scanner.accept("(")
            patterns = []
            while (pattern := scanner.word()) is not None:
                patterns.append(pattern)
                scanner.skip_blanks()
                if not scanner.accept("|"):
                    break
            self._expect_character(")")
            branches.append((tuple(patterns), self.commands(("esac",))))
            scanner.accept(";;")
        return syntax.Case(subject, tuple(branches), self._redirects())

    def _group(self) -> syntax.Command:
        return syntax.Group(self._until_word("}"), False, self._redirects())

    def _simple(self) -> syntax.Command:
        scanner = self.scanner
        assignments: list[tuple[str, syntax.Word]] = []
        words: list[syntax.Word] = []
        redirects: list[syntax.Redirect] = []
        while True:
            redirect = self._redirect()
            if redirect is not None:
                redirects.append(redirect)
                continue
            assignment = scanner.assignment() if not words else None
            if assignment is not None:
                assignments.append(assignment)
                continue
            word = scanner.word()
            if word is None:
                break
            words.append(word)
            if len(words) == 1 and scanner.peek("(") and not assignments and not redirects:
                return self._function(word)
        if not (assignments or words or redirects):
            raise ScriptError(f'unexpected "{scanner.peek_word() or "end of file"}"')
        return syntax.Simple(tuple(assignments), tuple(words), tuple(redirects))

    def _function(self, word: syntax.Word) -> syntax.Command:
        name = "".join(part.text for part in word if isinstance(part, syntax.Text))
        self._expect_character("(")
        self._expect_character(")")
        self.scanner.skip_newlines()
        if not is_name(name):
            raise ScriptError(f'bad function name "{name}"')
        before = self._budget.spent
        body = self._command()
        return syntax.Function(name, body, int((self._budget.spent - before) * BYTES))

    def _redirects(self) -> tuple[syntax.Redirect, ...]:
        redirects = []
        while (redirect := self._redirect()) is not None:
            redirects.append(redirect)
        return tuple(redirects)

    def _redirect(self) -> syntax.Redirect | None:
        scanner = self.scanner
        scanner.skip_blanks()
        if not scanner.at_any("<>0123456789"):
            return None
        descriptor = scanner.descriptor()
        operator = next((o for o in _REDIRECTS if scanner.accept(o)), None)
        if operator is None:
            return None
        self._budget.spend(_REDIRECT)
        word = scanner.word()
        if word is None:
            raise ScriptError("redirection to nowhere")
        number = descriptor if descriptor is not None else 0 if operator[0] == "<" else 1
        if operator in ("<<", "<<-"):
            return syntax.Redirect(number, "<<", scanner.here_document(word, strip=operator == "<<-"))
        return syntax.Redirect(number, ">" if operator == ">|" else ">&" if operator == "<&" else operator, word)

    def _until_word(self, end: str) -> syntax.Commands:
        commands = self.commands((end,))
        if self.scanner.peek_word() != end:
            raise ScriptError(f'unexpected "{self.scanner.peek_word() or "end of file"}" (expecting "{end}")')
        self.scanner.word()
        return commands

    def _keyword(self) -> str:
        word = self.scanner.peek_word()
        self.scanner.word()
        return word

    def _expect_character(self, character: str) -> None:
        self.scanner.skip_separators() if character == ")" else self.scanner.skip_blanks()
        if not self.scanner.accept(character):
            raise ScriptError(f'unexpected "{self.scanner.peek_word() or "end of file"}" (expecting "{character}")')


_COMPOUND = {
    "if": Parser._if,
    "while": Parser._while,
    "until": Parser._until,
    "for": Parser._for,
    "case": Parser._case,
    "{": Parser._group,
}
