"""Strategic merge patch: lists merge by the keys that a type's facts name, directives say what else to do. Pure.

`$patch` replaces or deletes, `$retainKeys` clears the other members of a union, `$deleteFromPrimitiveList/x` and
`$setElementOrder/x` do what they say to the list `x`. The patch is used up on the way, as upstream's is: an error that
shows the patch shows what was left of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Any

from pilothouse.api.shapes import FieldShape, Shape, shape_of
from pilothouse.apiserver.patch.values import go_text, go_type, identity

DIRECTIVE = "$patch"
RETAIN = "$retainKeys"
DELETE_FROM = "$deleteFromPrimitiveList"
ORDER = "$setElementOrder"


class StrategicError(ValueError):
    """A patch that cannot be applied: upstream's text, and the code it is answered with."""

    def __init__(self, text: str, code: int = 500) -> None:
        super().__init__(text)
        self.code = code


def apply(document: dict[str, Any], patch: dict[str, Any], kind: type[Any]) -> dict[str, Any]:
    """The document with the patch merged in. Both are changed. Raises StrategicError."""
    return _merge_map(document, patch, shape_of(kind))


def _merge_map(original: dict[str, Any], patch: dict[str, Any], shape: Shape | None) -> dict[str, Any]:
    if DIRECTIVE in patch:
        return _directed(patch)
    _retain(original, patch)
    _merge_ordered(original, patch, shape)
    for key, value in patch.items():
        deletes = key.startswith(DELETE_FROM)
        if deletes:
            key = _listed(key, DELETE_FROM, "invalid patch format of primitive list")
        if value is None:
            original.pop(key, None)
        elif key not in original or go_type(original[key]) != go_type(value):
            if not deletes:
                original[key] = _plain(value)
        elif isinstance(value, dict):
            field = _field(shape, key, "merging an object in json but data type is not struct")
            strategy = field.fact.patch_strategy if field is not None else ""
            inner = field.shape if field is not None else _element(shape)
            original[key] = _plain(value) if "replace" in strategy else _merge_map(original[key], value, inner)
        elif isinstance(value, list):
            original[key] = _merge_field(original[key], value, _list_field(shape, key), deletes)
        else:
            original[key] = value
    return original


def _directed(patch: dict[str, Any]) -> dict[str, Any]:
    directive = patch[DIRECTIVE]
    if directive == "replace":
        del patch[DIRECTIVE]
        return patch
    if directive == "delete":
        return {}
    raise _unknown(directive, patch)


def _unknown(directive: Any, patch: dict[str, Any]) -> StrategicError:
    shown = "%!s(<nil>)" if directive is None else f"%!s({go_type(directive)}={go_text(directive)})"
    shown = directive if isinstance(directive, str) else shown
    return StrategicError(f"unknown patch type: {shown} in map: {go_text(patch)}")


def _retain(original: dict[str, Any], patch: dict[str, Any]) -> None:
    if RETAIN not in patch:
        return
    kept = patch.pop(RETAIN)
    wrong = not isinstance(kept, list) or any(
        value is not None and not key.startswith((DELETE_FROM, ORDER)) and key not in kept
        for key, value in patch.items()
    )
    if wrong:
        raise StrategicError("invalid patch format of retainKeys", 400)
    for key in [key for key in original if key not in kept]:
        del original[key]


def _listed(key: str, prefix: str, refusal: str) -> str:
    """The list that a parallel directive is about."""
    head, slash, name = key.partition("/")
    if not slash or head != prefix:
        raise StrategicError(refusal, 400)
    return name


def _field(shape: Shape | None, key: str, refusal: str) -> FieldShape | None:
    """The field `key`; None within maps and raw values, whose members have no facts."""
    if shape is None or shape.kind != "struct":
        return None
    field = shape.fields.get(key)
    if field is None:
        raise StrategicError(
            f'unable to find api field in struct {shape.go.rpartition(".")[2]} for the json field "{key}"'
        )
    return field


def _element(shape: Shape | None) -> Shape | None:
    return shape.element if shape is not None else None


def _list_field(shape: Shape | None, key: str) -> FieldShape | None:
    return _field(shape, key, "merging a list in json but data type is not struct")


def _merge_ordered(original: dict[str, Any], patch: dict[str, Any], shape: Shape | None) -> None:
    """Merge the lists whose order the patch sets, and take them out of the patch."""
    for directive in [key for key in patch if key.startswith(ORDER)]:
        order = patch.pop(directive)
        _must_be_list(order)
        key = _listed(directive, ORDER, "invalid patch format of setElementOrder list")
        for holder in (original, patch):
            if key in holder:
                _must_be_list(holder[key])
        field = _list_field(shape, key)
        merge_key = field.fact.patch_merge_key if field is not None else ""
        live, wanted = original.get(key), patch.get(key)
        _check_order(wanted or [], order, merge_key)
        if live is not None and wanted is not None:
            merged = _merge_field(list(live), wanted, field, False)
        elif live is not None or wanted is not None:
            merged = live if live is not None else _plain(wanted)
        else:
            continue
        _element_type(live or [], wanted or [])
        original[key] = _in_order(merged, order, live or [], merge_key)
        patch.pop(key, None)


def _must_be_list(value: Any) -> None:
    if not isinstance(value, list):
        raise StrategicError(f"expected a []interface {{}}, but received a {go_type(value)}")


def _check_order(wanted: list[Any], order: list[Any], merge_key: str) -> None:
    """The items of a patch must stand in the order that the patch sets."""
    items = [i for i in wanted if not (merge_key and isinstance(i, dict) and i.get(DIRECTIVE) == "delete")]
    places = iter(order)
    for item in items:
        wanted_key = _key_of(item, merge_key)
        if not any(_key_of(place, merge_key) == wanted_key for place in places):
            raise StrategicError(
                f"The order in patch list:\n{go_text(wanted)}\n doesn't match {ORDER} list:\n{go_text(order)}\n"
            )


def _key_of(item: Any, merge_key: str) -> Hashable:
    """What tells an item of a list from others. Raises StrategicError if it has nothing that does."""
    if not merge_key:
        return identity(item)
    if not isinstance(item, dict):
        raise StrategicError(f"expected a map[string]interface {{}}, but received a {go_type(item)}")
    if merge_key not in item:
        raise _no_key(item, merge_key)
    return identity(item[merge_key])


def _no_key(item: dict[str, Any], merge_key: str) -> StrategicError:
    return StrategicError(f"map: {go_text(item)} does not contain declared merge key: {merge_key}")


def _merge_field(live: list[Any], wanted: list[Any], field: FieldShape | None, deletes: bool) -> list[Any]:
    strategy = field.fact.patch_strategy if field is not None else ""
    if "merge" in strategy.split(",") or deletes:
        assert field is not None or deletes
        merge_key = field.fact.patch_merge_key if field is not None else ""
        return _merge_list(live, wanted, field.shape.element if field is not None else None, merge_key, deletes)
    kept: list[Any] = _plain(wanted)
    return kept


def _merge_list(live: list[Any], wanted: list[Any], shape: Shape | None, merge_key: str, deletes: bool) -> list[Any]:
    if not live and not wanted:
        return live
    if _element_type(live, wanted) != "map[string]interface {}":
        if deletes:
            gone = {identity(item) for item in wanted}
            return [item for item in live if identity(item) not in gone]
        merged: list[Any] = list({identity(item): item for item in [*live, *wanted]}.values())
        return _in_order(merged, wanted, live, "")
    if not merge_key:
        raise StrategicError(f"cannot merge lists without merge key for {shape.go.rpartition('.')[2] if shape else ''}")
    live, wanted = _special_items(live, wanted, merge_key)
    merged = list(live)
    places = _Places(merged, merge_key)
    for item in wanted:
        at = places.of(item)
        if at < 0:
            merged.append(_plain(item))
        else:
            merged[at] = _merge_map(merged[at], dict(item), shape)
    return _in_order(merged, wanted, live, merge_key)


def _special_items(live: list[Any], wanted: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """Do what items with `$patch` say; what is left of both lists."""
    plain, gone, replaces = [], set(), False
    for item in wanted:
        directive = item.get(DIRECTIVE)
        if DIRECTIVE not in item:
            plain.append(item)
        elif directive == "delete":
            gone.add(_key_of(item, merge_key))
        elif directive == "replace":
            replaces = True
        elif directive == "merge":
            raise StrategicError("merging lists cannot yet be specified in the patch")
        else:
            raise _unknown(directive, item)
    if gone:
        live = [item for item in live if _key_of(item, merge_key) not in gone]
    return ([] if replaces else live), plain


class _Places:
    """Where items with a key stand in a list (to whose end others may be added), each looked at once at the most."""

    def __init__(self, items: list[Any], merge_key: str) -> None:
        self._items, self._merge_key = items, merge_key
        self._known: dict[Hashable, int] = {}
        self._looked = 0

    def of(self, item: Any) -> int:
        """The first place of an item with the key of `item`, -1 if there is none. Raises StrategicError for an item
        without a key before that."""
        wanted = _key_of(item, self._merge_key)
        while wanted not in self._known and self._looked < len(self._items):
            self._known.setdefault(_key_of(self._items[self._looked], self._merge_key), self._looked)
            self._looked += 1
        return self._known.get(wanted, -1)


def _element_type(*lists: list[Any]) -> str:
    types = {go_type(item) for items in lists for item in items}
    if not types:
        raise StrategicError("no elements in any of the given slices")
    if "[]interface {}" in types:
        raise StrategicError("lists of lists are not supported", 422)
    if len(types) > 1:
        raise StrategicError(f"list element types are not identical: {go_text(list(lists))}")
    return types.pop()


def _in_order(merged: list[Any], order: list[Any], live: list[Any], merge_key: str) -> list[Any]:
    """Items of the patch in its order; those of the server alone are put between them where they stood."""

    in_order, in_live = _Places(order, merge_key), _Places(live, merge_key)
    ranked = [(in_order.of(item), in_live.of(item), item) for item in merged]
    patched = deque(sorted((r for r in ranked if r[0] >= 0), key=lambda r: r[0]))
    servers = deque(sorted((r for r in ranked if r[0] < 0), key=lambda r: r[1]))
    out: list[Any] = []
    while patched and servers:
        server_first = 0 <= servers[0][1] < patched[0][1]
        out.append((servers if server_first else patched).popleft()[2])
    return out + [r[2] for r in patched] + [r[2] for r in servers]


def _plain(value: Any) -> Any:
    """A new part of the document: without directives, nulls and what was to be deleted."""
    if isinstance(value, list):
        return [_plain(item) for item in value if not (isinstance(item, dict) and DIRECTIVE in item)]
    if not isinstance(value, dict):
        return value
    return {
        key: _plain(item)
        for key, item in value.items()
        if item is not None
        and not key.startswith((DIRECTIVE, RETAIN, DELETE_FROM, ORDER))
        and not (isinstance(item, dict) and item.get(DIRECTIVE) == "delete")
    }
