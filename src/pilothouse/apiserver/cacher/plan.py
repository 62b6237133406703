"""From what a reader is interested in to what has to be looked at: a range of keys, a test, a place in the index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pilothouse.api.selectors import FieldTerm, LabelSelector
from pilothouse.apiserver.generic.storage import CachedObject, ObjectCodec, SelectionPredicate

Test = Callable[[CachedObject], bool]
Axis = tuple[str, str]
"""What watchers are found by: ("key", ""), ("field", NAME), ("label", NAME), ("namespace", "") or ("all", "")."""
ALL: Axis = ("all", "")


class Plan(NamedTuple):
    """`first` and `end` (exclusive) bound the keys; `key`, if not empty, is the only one. `test` is None if every
    object there is wanted; it asks nothing that the bounds have answered. A watcher belongs to `axis` at `value`."""

    first: str
    end: str
    key: str
    test: Test | None
    axis: Axis
    value: str

    def holds(self, key: str) -> bool:
        return key == self.key if self.key else self.first <= key < self.end

    def wants(self, item: CachedObject) -> bool:
        """The whole question, for watchers."""
        return self.holds(item.key) and (self.test is None or self.test(item))


def plan(
    interest: SelectionPredicate, form: ObjectCodec, prefix: str, indexed: Sequence[str], namespaced: bool
) -> Plan:
    """How to answer `interest` about objects under `prefix` (it ends with a slash)."""
    namespace, name, terms = interest.namespace, interest.name, []
    for term in interest.fields.terms if interest.fields is not None else ():
        if term.field == "metadata.name" and not term.negated and not name:
            name = term.value
        elif term.field == "metadata.namespace" and not term.negated and not namespace and namespaced:
            namespace = term.value
        else:
            terms.append(term)
    tests = [_field_test(field, wanted, form, prefix) for field, wanted in _by_field(terms).items()]
    key = ""
    if name and (namespace or not namespaced):
        key = f"{prefix}{namespace}/{name}" if namespaced else prefix + name
    elif name:
        tests.append(_name_test(name))
    labels = interest.labels if interest.labels is not None and not interest.labels.empty else None
    if labels is not None:
        tests.append(_label_test(labels))
    folder = f"{prefix}{namespace}/" if namespace else prefix
    axis, value = ALL, ""
    if key:
        axis, value = ("key", ""), key
    elif found := [t for t in terms if t.field in indexed and not t.negated]:
        axis, value = ("field", found[0].field), found[0].value
    elif labels is not None and (equal := labels.equalities):
        label = min(equal)
        axis, value = ("label", label), equal[label]
    elif namespace:
        axis, value = ("namespace", ""), namespace
    return Plan(folder, folder[:-1] + "0", key, _all(tests), axis, value)


def _all(tests: Sequence[Test]) -> Test | None:
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda item: all(test(item) for test in tests)


# Tests run for every object of a list: they look into the item for what was read out before they ask it to read.


def _label_test(labels: LabelSelector) -> Test:
    equal = labels.equalities
    if len(equal) == len(labels.requirements) == 1:
        ((key, value),) = equal.items()
        return lambda item: (item._columns or item.columns).labels.get(key) == value
    matches = labels.compiled()
    return lambda item: matches((item._columns or item.columns).labels)


def _name_test(name: str) -> Test:
    ending = "/" + name
    return lambda item: item.key.endswith(ending)


class _Wanted(NamedTuple):
    """What the terms of a selector say of one field: the values it must have (several: none can), and must not."""

    equal: set[str]
    different: set[str]


def _by_field(terms: Sequence[FieldTerm]) -> dict[str, _Wanted]:
    """However many terms there are, an object is asked once for each field."""
    found: dict[str, _Wanted] = {}
    for term in terms:
        wanted = found.setdefault(term.field, _Wanted(set(), set()))
        (wanted.different if term.negated else wanted.equal).add(term.value)
    return found


def _field_test(field: str, wanted: _Wanted, form: ObjectCodec, prefix: str) -> Test:
    equal, different = wanted
    if field in ("metadata.name", "metadata.namespace"):
        which = 1 if field == "metadata.name" else 0
        return lambda item: _fits(names(item.key, prefix)[which], wanted)
    index = form.index_of(field)
    if not different and len(equal) == 1:
        (value,) = equal
        return lambda item: (item._columns or item.columns).fields[index] == value
    return lambda item: _fits((item._columns or item.columns).fields[index], wanted)


def _fits(value: str, wanted: _Wanted) -> bool:
    return value not in wanted.different and all(value == other for other in wanted.equal)


def value_on(axis: Axis, item: CachedObject, prefix: str) -> str | None:
    """Where on `axis` an object lies; None if it has no such label."""
    kind, name = axis
    match kind:
        case "key":
            return item.key
        case "namespace":
            return names(item.key, prefix)[0]
        case "label":
            return (item._columns or item.columns).labels.get(name)
        case "field":
            return (item._columns or item.columns).fields[item.form.index_of(name)]
    return ""


def names(key: str, prefix: str) -> tuple[str, str]:
    """(namespace, name) of a key; the namespace is empty for what belongs to the whole cluster."""
    namespace, _, name = key[len(prefix) :].rpartition("/")
    return namespace, name
