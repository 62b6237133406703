"""`test` and `[`: conditions on texts, numbers and files (POSIX test)."""

from __future__ import annotations

from collections.abc import Callable

from pilothouse.runtime.simulated.programs.call import Call

_DEEPEST = 30


class Misused(ValueError):
    """What is no condition; the text is what `test` says."""


def test(call: Call) -> int:
    arguments = list(call.arguments)
    if call.name == "[":
        if arguments[-1:] != ["]"]:
            return call.complain("missing ]", 2)
        arguments.pop()
    reader = _Reader(arguments, call)
    try:
        result = bool(arguments) and reader.either(0)
        if reader.rest:
            raise Misused(f"{reader.rest[0]}: unknown operand")
    except Misused as failure:
        return call.complain(str(failure), 2)
    return int(not result)


class _Reader:
    def __init__(self, arguments: list[str], call: Call) -> None:
        self.rest = arguments
        self._call = call

    def either(self, depth: int) -> bool:
        result = self._both(depth)
        while self.rest[:1] == ["-o"]:
            del self.rest[0]
            result = self._both(depth) or result
        return result

    def _both(self, depth: int) -> bool:
        result = self._one(depth)
        while self.rest[:1] == ["-a"]:
            del self.rest[0]
            result = self._one(depth) and result
        return result

    def _one(self, depth: int) -> bool:
        rest = self.rest
        if not rest or depth > _DEEPEST:
            raise Misused("argument expected")
        if len(rest) >= 3 and rest[1] in _BINARY:
            left, operator, right = rest[:3]
            del rest[:3]
            return _BINARY[operator](left, right)
        if rest[0] == "!":
            del rest[0]
            return not self._one(depth + 1)
        if rest[0] == "(" and len(rest) > 1:
            del rest[0]
            result = self.either(depth + 1)
            if rest[:1] != [")"]:
                raise Misused("closing paren expected")
            del rest[0]
            return result
        if len(rest) >= 2 and rest[0] in _UNARY:
            operator, operand = rest[:2]
            del rest[:2]
            return _UNARY[operator](operand, self._call)
        return bool(rest.pop(0))


def _number(text: str) -> int:
    digits = text.strip().lstrip("+-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise Misused(f"{text}: bad number")
    return int(text)


def _is(kind: str) -> Callable[[str, Call], bool]:
    def check(operand: str, call: Call) -> bool:
        entry = call.inside.files.entry(call.path(operand))
        if entry is None:
            return False
        return {
            "e": True,
            "f": entry.data is not None,
            "d": entry.data is None,
            "s": bool(entry.data),
            "x": entry.data is None or bool(entry.mode & 0o111),
        }[kind]

    return check


_UNARY: dict[str, Callable[[str, Call], bool]] = {
    "-n": lambda operand, call: bool(operand),
    "-z": lambda operand, call: not operand,
    "-e": _is("e"),
    "-f": _is("f"),
    "-d": _is("d"),
    "-s": _is("s"),
    "-r": _is("e"),
    "-w": _is("e"),
    "-x": _is("x"),
    "-L": lambda operand, call: False,
    "-h": lambda operand, call: False,
    "-S": lambda operand, call: False,
    "-t": lambda operand, call: False,
}
_BINARY: dict[str, Callable[[str, str], bool]] = {
    "=": lambda left, right: left == right,
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "-eq": lambda left, right: _number(left) == _number(right),
    "-ne": lambda left, right: _number(left) != _number(right),
    "-lt": lambda left, right: _number(left) < _number(right),
    "-le": lambda left, right: _number(left) <= _number(right),
    "-gt": lambda left, right: _number(left) > _number(right),
    "-ge": lambda left, right: _number(left) >= _number(right),
}
