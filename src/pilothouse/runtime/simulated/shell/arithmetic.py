"""`$((...))`: signed 64-bit integers with C's operators (POSIX 2.6.4). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

_TOKEN = re.compile(r"\s*(\d+|[A-Za-z_]\w*|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>!~&|^()])", re.ASCII)
_NUMBER = re.compile(r"\s{0,40}-?\d{1,19}\s{0,40}", re.ASCII)
# From what binds least to what binds most.
_LEVELS = (
    ("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!="), ("<", "<=", ">", ">="), ("<<", ">>"), ("+", "-"),
    ("*", "/", "%"),
)  # fmt: skip
_BINDING = {operator: level for level, operators in enumerate(_LEVELS) for operator in operators}
_DEEPEST = 20
_BITS = 1 << 64
# Microseconds for each character of an expression.
PRICE = 1.0


class ArithmeticFailure(ValueError):
    """What cannot be computed; the text is what a shell says."""


def evaluate(text: str, variable: Callable[[str], str]) -> int:
    """The value of an expression; names stand for variables, and what is no number counts as 0. Raises
    ArithmeticFailure."""
    reader = _Reader(text, variable)
    value = reader.binary(0, 0)
    if reader.token:
        raise ArithmeticFailure("arithmetic syntax error")
    return value


def _wrapped(value: int) -> int:
    value %= _BITS
    return value - _BITS if value >= _BITS >> 1 else value


class _Reader:
    def __init__(self, text: str, variable: Callable[[str], str]) -> None:
        self._text = text.strip()
        self._at = 0
        self._variable = variable
        self._values: dict[str, int] = {}
        self.token = ""
        self._next()

    def _next(self) -> str:
        read = self.token
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            if self._at < len(self._text):
                raise ArithmeticFailure("arithmetic syntax error")
            self.token = ""
        else:
            self.token, self._at = match[1], match.end()
        return read

    def binary(self, least: int, depth: int) -> int:
        """Operands joined by operators that bind at least as much as `least`."""
        if depth > _DEEPEST:
            raise ArithmeticFailure("arithmetic expression too deep")
        value = self._unary(depth)
        while (level := _BINDING.get(self.token, -1)) >= least:
            operator = self._next()
            value = _wrapped(_apply(operator, value, self.binary(level + 1, depth)))
        return value

    def _unary(self, depth: int) -> int:
        token = self._next()
        if token in ("-", "+", "!", "~"):
            if depth > _DEEPEST:
                raise ArithmeticFailure("arithmetic expression too deep")
            value = self._unary(depth + 1)
            return _wrapped({"-": -value, "+": value, "~": ~value, "!": int(not value)}[token])
        if token == "(":
            value = self.binary(0, depth + 1)
            if self._next() != ")":
                raise ArithmeticFailure("arithmetic syntax error")
            return value
        if token.isdigit():
            return _number(token)
        if token.isidentifier():
            if token not in self._values:
                self._values[token] = _number(self._variable(token))
            return self._values[token]
        raise ArithmeticFailure("arithmetic syntax error")


def _number(text: str) -> int:
    return _wrapped(int(text)) if _NUMBER.fullmatch(text) else 0


def _apply(operator: str, left: int, right: int) -> int:
    if operator in ("/", "%"):
        if right == 0:
            raise ArithmeticFailure("divide by zero")
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        return quotient if operator == "/" else left - quotient * right
    return _OPERATIONS[operator](left, right)


_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "||": lambda a, b: int(bool(a or b)),
    "&&": lambda a, b: int(bool(a and b)),
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "&": lambda a, b: a & b,
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    "<=": lambda a, b: int(a <= b),
    ">": lambda a, b: int(a > b),
    ">=": lambda a, b: int(a >= b),
    "<<": lambda a, b: a << (b % 64),
    ">>": lambda a, b: a >> (b % 64),
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}
