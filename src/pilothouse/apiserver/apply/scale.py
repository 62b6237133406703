"""Who manages `spec.replicas` through the scale subresource. Pure.

A Scale has fields of its own, but its managers are entries of the object that is scaled: on the way in the owners of
the replicas become owners of `spec.replicas` of the Scale, in autoscaling/v1, and conflicts name them so. On the way
back an applier that still owns it keeps its entry; an updater, which is another one in another version, loses the
replicas to an entry beside its own, without a time, like that of a new owner.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pilothouse.api.types.autoscaling.v1 import Scale
from pilothouse.apiserver.apply import updater
from pilothouse.apiserver.apply.fieldset import FieldSet, difference, intersection, of_paths
from pilothouse.apiserver.apply.managers import APPLY, UPDATE, Managed, Manager, Owned, manager_of, strip
from pilothouse.apiserver.apply.schema import node_of
from pilothouse.apiserver.apply.updater import Kind, Tree

VERSION = "autoscaling/v1"
_REPLICAS = of_paths([("spec", "replicas")])
_KIND = Kind({VERSION: node_of(Scale)})


class Place(NamedTuple):
    """Where the replicas of an object of `api_version` stand."""

    api_version: str
    fields: FieldSet = _REPLICAS


def place_of(api_version: str, path: tuple[str, ...]) -> Place:
    """The place at a path (`spec`, `replicas`)."""
    return Place(api_version, of_paths([path]))


_CURRENT = Manager("current-operation", UPDATE)


def updated(managed: Managed, before: Tree, after: Tree, name: str, place: Place) -> Managed:
    """The managers of an object after manager `name` wrote the Scale `after` over `before`."""
    own = _of_scale(managed, place)
    if not own:
        return managed
    updater.update(_KIND, before, after, VERSION, own, _CURRENT)
    strip(own, _CURRENT)
    taken = own.pop(_CURRENT, None)
    if taken is not None:
        own[manager_of(name, UPDATE, VERSION, "scale")] = taken
    return _of_object(managed, own, place)


def applied(
    managed: Managed, live: Tree, config: Tree, name: str, place: Place, force: bool
) -> tuple[Tree | None, Managed]:
    """(the Scale after an apply, None if it is the same; the managers of the object). Raises ConflictError."""
    own = _of_scale(managed, place)
    if not own:
        updater.update(_KIND, {"metadata": {}, "spec": {}, "status": {}}, live, VERSION, own, _CURRENT)
        strip(own, _CURRENT)
        held = own.pop(_CURRENT, None)
        if held is not None:
            own[manager_of("before-first-apply", UPDATE, VERSION, "scale")] = held
    key = manager_of(name, APPLY, VERSION, "scale")
    tree = updater.apply(_KIND, live, config, VERSION, own, key, force)
    strip(own, key)
    return tree, _of_object(managed, own, place)


def _of_scale(managed: Managed, place: Place) -> Managed:
    return {
        key if key.operation == APPLY else key._replace(api_version=VERSION): Owned(_REPLICAS, VERSION, owned.time)
        for key, owned in managed.items()
        if intersection(owned.fields, place.fields) is not None
    }


def _of_object(managed: Managed, own: Managed, place: Place) -> Managed:
    found: Managed = {}
    for key, owned in managed.items():
        if intersection(owned.fields, place.fields) is None:
            found[key] = owned
        elif key in own:
            found[key] = owned
            del own[key]
        elif (rest := difference(owned.fields, place.fields)) is not None:
            found[key] = Owned(rest, owned.api_version, owned.time)
    for key, owned in own.items():
        if owned.fields is not None:
            of_object = key if key.operation == APPLY else key._replace(api_version=place.api_version)
            if of_object in found:
                of_object = of_object._replace(beside=True)
            found[of_object] = Owned(place.fields, place.api_version)
    return found


def tree_of(scale: Scale) -> Tree:
    """What of a Scale its managers may own: replicas, which are left out at 0."""
    spec: dict[str, Any] = {"replicas": scale.spec.replicas} if scale.spec.replicas else {}
    return {"metadata": {}, "spec": spec, "status": {}}
