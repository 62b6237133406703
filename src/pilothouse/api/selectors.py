"""Label and field selectors: parsed from query text or objects, printed canonically, compiled to matchers. Pure.

Errors are SelectorError with the API's own text; the API server answers them as 400.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pilothouse.api.integers import integer
from pilothouse.api.types.meta.v1 import LabelSelector as LabelSelectorObject
from pilothouse.kit import pieces
from pilothouse.kit.texts import remembered

Matcher = Callable[[Mapping[str, str]], bool]

_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?\Z")
_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_PART = re.compile(r"(?:[^\\,]++|\\.|\\\Z)++", re.DOTALL)
_OPERATORS_TOLD = "in, notin, =, ==, !=, gt, lt"
_NAME_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_DOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


class SelectorError(ValueError):
    """A selector that cannot be understood; the message is the API's own."""


class Requirement(NamedTuple):
    """One condition on one label. `operator` is one of `in notin = == != exists ! gt lt`; `values` are sorted."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.operator == "!":
            return f"!{self.key}"
        if self.operator == "exists":
            return self.key
        if self.operator in ("in", "notin"):
            return f"{self.key} {self.operator} ({','.join(self.values)})"
        sign = {"gt": ">", "lt": "<"}.get(self.operator, self.operator)
        return f"{self.key}{sign}{self.values[0]}"

    def matches(self, labels: Mapping[str, str]) -> bool:
        held = labels.get(self.key)
        match self.operator:
            case "=" | "==" | "in":
                return held is not None and held in self.values
            case "!=" | "notin":
                return held is None or held not in self.values
            case "exists":
                return held is not None
            case "!":
                return held is None
        return held is not None and _compare(held, self.operator, self.values[0])


def _compare(held: str, operator: str, bound: str) -> bool:
    number, other = integer(held), integer(bound)
    if number is None or other is None:
        return False
    return number > other if operator == "gt" else number < other


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must hold. No requirement matches everything; `nothing` matches no labels at all."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))

    @property
    def empty(self) -> bool:
        return not self.requirements and not self.nothing

    @property
    def equalities(self) -> dict[str, str]:
        """Labels that must be present with just this value: what an index can answer."""
        return {r.key: r.values[0] for r in self.requirements if r.operator in ("=", "==", "in") and len(r.values) == 1}

    def matches(self, labels: Mapping[str, str]) -> bool:
        return not self.nothing and all(r.matches(labels) for r in self.requirements)

    def compiled(self) -> Matcher:
        """The fastest function for many calls of `matches`."""
        if self.nothing:
            return lambda labels: False
        wanted = self.equalities
        if len(wanted) == len(self.requirements):
            if len(wanted) == 1:
                ((key, value),) = wanted.items()
                return lambda labels: labels.get(key) == value
            items = wanted.items()
            return lambda labels: items <= labels.items()
        if len(self.requirements) == 1 and len(self.requirements[0].values) < 2:
            return self.requirements[0].matches
        return _by_key(self.requirements)


class _OfKey:
    """All that several requirements say of one label: so that a selector costs as much as an object has labels."""

    def __init__(self) -> None:
        self.allowed: frozenset[str] | None = None
        self.refused: set[str] = set()
        self.present = self.absent = False
        self.above: int | None = None
        self.below: int | None = None

    def add(self, requirement: Requirement) -> None:
        match requirement.operator:
            case "=" | "==" | "in":
                values = frozenset(requirement.values)
                self.allowed = values if self.allowed is None else self.allowed & values
            case "!=" | "notin":
                self.refused.update(requirement.values)
            case "exists":
                self.present = True
            case "!":
                self.absent = True
            case "gt":
                bound = int(requirement.values[0])
                self.above = bound if self.above is None else max(self.above, bound)
            case _:
                bound = int(requirement.values[0])
                self.below = bound if self.below is None else min(self.below, bound)

    @property
    def needed(self) -> bool:
        """Whether an object without the label is not selected."""
        return self.present or self.allowed is not None or self.above is not None or self.below is not None

    def matches(self, value: str) -> bool:
        """Of an object that has the label."""
        if self.absent or value in self.refused or (self.allowed is not None and value not in self.allowed):
            return False
        if self.above is None and self.below is None:
            return True
        number = integer(value)
        if number is None:
            return False
        return (self.above is None or number > self.above) and (self.below is None or number < self.below)


def _by_key(requirements: Iterable[Requirement]) -> Matcher:
    rules: dict[str, _OfKey] = {}
    for requirement in requirements:
        rules.setdefault(requirement.key, _OfKey()).add(requirement)
    needed = frozenset(key for key, rule in rules.items() if rule.needed)

    def matches(labels: Mapping[str, str]) -> bool:
        if not needed <= labels.keys():
            return False
        if len(rules) <= len(labels):
            return all(key not in labels or rule.matches(labels[key]) for key, rule in rules.items())
        return all(key not in rules or rules[key].matches(value) for key, value in labels.items())

    return matches


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(nothing=True)


@remembered(4096)
def parse_labels(text: str) -> LabelSelector:
    """The selector of a `labelSelector` parameter. Raises SelectorError."""
    found = _LabelParser(text).parse()
    return LabelSelector(tuple(pieces.in_order(found, key=lambda r: r.key)))


def of_object(selector: LabelSelectorObject | None) -> LabelSelector:
    """The selector that a LabelSelector of an object means: absent selects nothing, an empty one everything
    (metav1.LabelSelectorAsSelector). Raises SelectorError for a key, an operator or values that cannot be."""
    if selector is None:
        return NOTHING
    found = [_equality(key, value) for key, value in selector.match_labels.items()]
    names = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
    for expression in selector.match_expressions:
        if expression.operator not in names:
            raise SelectorError(f'"{expression.operator}" is not a valid label selector operator')
        found.append(require(expression.key, names[expression.operator], expression.values))
    return LabelSelector(tuple(sorted(found, key=lambda r: r.key)))


@functools.lru_cache(4096)
def _equality(key: str, value: str) -> Requirement:
    return require(key, "=", (value,))


def of_labels(labels: Mapping[str, str]) -> LabelSelector:
    """The selector that wants each of `labels`, as a Service's or ReplicationController's does."""
    return LabelSelector(tuple(Requirement(key, "=", (labels[key],)) for key in sorted(labels)))


def require(key: str, operator: str, values: Iterable[str]) -> Requirement:
    """A checked requirement. Raises SelectorError that names each fault."""
    held = tuple(pieces.in_order(set(values)))
    faults = [f'key: Invalid value: "{key}": {why}' for why in _joined(_key_faults(key))]
    if operator in ("in", "notin") and not held:
        faults.append("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    if operator in ("=", "==", "!=") and len(held) != 1:
        faults.append(f"values: Invalid value: {_told(held)}: exact-match compatibility requires one single value")
    if operator in ("exists", "!") and held:
        faults.append(f"values: Invalid value: {_told(held)}: values set must be empty for exists and does not exist")
    if operator in ("gt", "lt"):
        if len(held) != 1:
            faults.append(
                f"values: Invalid value: {_told(held)}: for 'Gt', 'Lt' operators, exactly one value is required"
            )
        faults += [
            f"values[{i}]: Invalid value: \"{v}\": for 'Gt', 'Lt' operators, the value must be an integer"
            for i, v in enumerate(held)
            if (number := integer(v)) is None or not -(2**63) <= number < 2**63
        ]
    for i, value in enumerate(held):
        faults += [f'values[{i}][{key}]: Invalid value: "{value}": {why}' for why in _joined(_value_faults(value))]
    if faults:
        raise SelectorError(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")
    return Requirement(key, operator, held)


def _told(values: Sequence[str]) -> str:
    return "[" + ",".join(f'"{v}"' for v in values) + "]"


def _joined(faults: list[str]) -> list[str]:
    return ["; ".join(faults)] if faults else []


def _key_faults(key: str) -> list[str]:
    prefix, slash, name = key.rpartition("/")
    faults: list[str] = []
    if "/" in prefix:
        return [
            f"a qualified name {_NAME_RULE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    if slash:
        if not prefix:
            faults.append("prefix part must be non-empty")
        elif len(prefix) > 253:
            faults.append("prefix part must be no more than 253 bytes")
        if prefix and not _DOMAIN.match(prefix):
            faults.append("prefix part " + _DOMAIN_RULE)
    if not name:
        faults.append("name part must be non-empty")
    elif len(name) > 63:
        faults.append("name part must be no more than 63 bytes")
    if not _NAME.match(name):
        faults.append("name part " + _NAME_RULE)
    return faults


def _value_faults(value: str) -> list[str]:
    faults = ["must be no more than 63 bytes"] if len(value) > 63 else []
    return faults if _VALUE.match(value) else [*faults, _VALUE_RULE]


_TOKEN = re.compile(r"[^=!(),>< \t\r\n]++|==|!=|[=!(),><]")
_END = "end", ""


class _LabelParser:
    """Recursive descent over (kind, text) tokens; the kind is `id`, `end` or the token itself."""

    def __init__(self, text: str) -> None:
        self.tokens = _lex(text)
        self.ahead = next(self.tokens)

    def look(self, operators: bool = False) -> tuple[str, str]:
        kind, text = self.ahead
        return ("id" if not operators and kind in ("in", "notin") else kind), text

    def take(self, operators: bool = False) -> tuple[str, str]:
        token = self.look(operators)
        self.ahead = next(self.tokens, _END)
        return token

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while True:
            kind, text = self.look()
            if kind == "end":
                return found
            if kind not in ("id", "!"):
                raise SelectorError(f"found '{text}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self.requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            kind, text = self.take()
            if kind == "end":
                return found
            if kind != ",":
                raise SelectorError(f"found '{text}', expected: ',' or 'end of string'")
            kind, text = self.look()
            if kind not in ("id", "!"):
                raise SelectorError(f"found '{text}', expected: identifier after ','")

    def requirement(self) -> Requirement:
        kind, key = self.take()
        negated = kind == "!"
        if negated:
            kind, key = self.take()
        if kind != "id":
            raise SelectorError(f"found '{key}', expected: identifier")
        if faults := _key_faults(key):
            raise SelectorError(f'<nil>: Invalid value: "{key}": {"; ".join(faults)}')
        if negated:
            return require(key, "!", ())
        if self.look()[0] in ("end", ","):
            return require(key, "exists", ())
        kind, text = self.take(operators=True)
        if kind in ("in", "notin"):
            return require(key, kind, self.values())
        if kind not in ("=", "==", "!=", ">", "<"):
            raise SelectorError(f"found '{text}', expected: {_OPERATORS_TOLD}")
        return require(key, {">": "gt", "<": "lt"}.get(kind, kind), (self.exact(),))

    def exact(self) -> str:
        if self.look()[0] in ("end", ","):
            return ""
        kind, text = self.take()
        if kind != "id":
            raise SelectorError(f"found '{text}', expected: identifier")
        return text

    def values(self) -> set[str]:
        kind, text = self.take()
        if kind != "(":
            raise SelectorError(f"found '{text}' expected: '('")
        kind, text = self.look()
        if kind == ")":
            self.take()
            return set()
        if kind not in ("id", ","):
            raise SelectorError(f"found '{text}', expected: ',', ')' or identifier")
        found = self.listed()
        if self.take()[0] != ")":
            raise SelectorError(f"found '{text}', expected: ')'")
        return found

    def listed(self) -> set[str]:
        found: set[str] = set()
        while True:
            kind, text = self.take()
            if kind == "id":
                found.add(text)
                kind, text = self.look()
                if kind == ")":
                    return found
                if kind != ",":
                    raise SelectorError(f"found '{text}', expected: ',' or ')'")
            elif kind == ",":
                if not found:
                    found.add("")
                kind = self.look()[0]
                if kind == ")":
                    return found | {""}
                if kind == ",":
                    self.take()
                    found.add("")
            else:
                raise SelectorError(f"found '{text}', expected: ',', or identifier")


def _lex(text: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(text):
        token = match[0]
        yield ("id" if token[0] not in "=!(),><" and token not in ("in", "notin") else token), token
    yield _END


class FieldTerm(NamedTuple):
    """`field` must equal `value`, or differ from it if `negated`."""

    field: str
    value: str
    negated: bool = False

    def __str__(self) -> str:
        value = self.value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
        return f"{self.field}{'!=' if self.negated else '='}{value}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All terms must hold. Which fields a kind has is its resource's affair."""

    terms: tuple[FieldTerm, ...] = ()

    def __str__(self) -> str:
        return ",".join(map(str, self.terms))

    @property
    def empty(self) -> bool:
        return not self.terms

    def exactly(self, name: str) -> str | None:
        """The value that the field `name` must have, if the selector says so."""
        return next((t.value for t in self.terms if t.field == name and not t.negated), None)

    def matches(self, fields: Mapping[str, str]) -> bool:
        """`fields` holds what the kind lets select; an absent one counts as empty."""
        return all((fields.get(t.field, "") == t.value) != t.negated for t in self.terms)


@remembered(4096)
def parse_fields(text: str) -> FieldSelector:
    """The selector of a `fieldSelector` parameter. Raises SelectorError."""
    found = []
    for part in pieces.in_order([match[0] for match in _PART.finditer(text)]):
        match = re.match(r"(.*?)(!=|==|=)(.*)\Z", part, re.DOTALL)
        if match is None:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{part}'")
        found.append(FieldTerm(match.group(1), _unescaped(match.group(3)), negated=match.group(2) == "!="))
    return FieldSelector(tuple(found))


def _unescaped(value: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(value):
        char = value[at]
        if char == "\\":
            at += 1
            if value[at : at + 1] not in ("\\", ",", "="):
                raise SelectorError(f"invalid field selector: invalid escape sequence: {value[at - 1 : at + 1]}")
            out.append(value[at])
        elif char in ",=":
            raise SelectorError(f"invalid field selector: unescaped character in value: {ord(char)}")
        else:
            out.append(char)
        at += 1
    return "".join(out)
