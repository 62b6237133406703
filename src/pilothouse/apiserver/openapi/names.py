"""How operations are named and described, as the API server's installer and kube-openapi do it. Pure."""

from __future__ import annotations

from pilothouse.api.facts import Resource

_VERBS = {"get": "read", "update": "replace", "watchlist": "watch", "deletecollection": "delete"}
_DONE = {
    "get": "read{of} the specified {kind}",
    "list": "list objects of kind {kind}",
    "watched": "list or watch objects of kind {kind}",
    "update": "replace{of} the specified {kind}",
    "patch": "partially update{of} the specified {kind}",
    "create": "create{of}{article}{kind}",
    "delete": "delete{of}{article}{kind}",
    "deletecollection": "delete collection of {kind}",
    "watch": "watch changes to an object of kind {kind}",
    "watchlist": "watch individual changes to a list of {kind}",
}
_INSTEAD = ". deprecated: use the 'watch' parameter with a list operation instead"
_REPLACEMENTS = {
    "watch": f"{_INSTEAD}, filtered to a single item with the 'fieldSelector' parameter.",
    "watchlist": f"{_INSTEAD}.",
}


def identifier(text: str, capital: bool) -> str:
    """`text` without what is no letter, digit or underscore, each letter after such a place a capital (upstream's
    ToValidOperationID)."""
    found: list[str] = []
    for index, char in enumerate(text):
        if char.isalpha() or char == "_" or (index and char.isdigit()):
            found.append(char.upper() if capital else char)
            capital = False
        else:
            capital = True
    return "".join(found)


def group_prefix(group: str, version: str = "") -> str:
    """`AppsV1`, `CoreV1`, `RbacAuthorizationV1`."""
    return identifier(group.removesuffix(".k8s.io") or "core", True) + identifier(version, True)


def tag(group: str, version: str = "") -> str:
    """`apps_v1`, `rbacAuthorization_v1`."""
    own = identifier(group.removesuffix(".k8s.io") or "core", False)
    return f"{own}_{identifier(version, False)}" if version else own


def operation_id(
    resource: Resource,
    verb: str,
    subresource: str = "",
    *,
    everywhere: bool = False,
    connect: str = "",
    path: bool = False,
) -> str:
    """`readAppsV1NamespacedDeploymentScale`. `everywhere`: of all namespaces; `connect`: the method that is carried on;
    `path`: with a path below."""
    spaced = "Namespaced" if resource.namespaced and not everywhere else ""
    words = [
        _VERBS.get(verb, verb),
        group_prefix(resource.group, resource.version),
        "Collection" if verb == "deletecollection" else "",
        connect.title(),
        spaced,
        resource.kind,
        subresource.title(),
        "List" if verb == "watchlist" else "",
        "WithPath" if path else "",
        "ForAllNamespaces" if everywhere else "",
    ]
    return "".join(words)


def description(resource: Resource, verb: str, subresource: str = "", *, connect: str = "") -> str:
    """What an operation does, in a line."""
    if connect:
        of = f"{subresource} of " if subresource else ""
        return f"connect {connect.upper()} requests to {of}{resource.kind}"
    if verb == "list" and "watch" in resource.verbs:
        verb = "watched"
    of = f" {subresource} of" if subresource else ""
    told = _DONE[verb].format(of=of, kind=resource.kind, article=_article(resource.kind))
    return told + _REPLACEMENTS.get(verb, "")


def _article(noun: str) -> str:
    if noun.endswith("s") and not noun.endswith("ss"):
        return " "
    return " an " if noun[0].lower() in "aeiou" else " a "
