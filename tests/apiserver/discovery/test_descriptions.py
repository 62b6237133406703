"""The descriptions of fields and columns, which come from the package that publishes them."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import runpy
import sys
import types
import zlib

import pytest

from pilothouse.api.types.columns import COLUMNS
from pilothouse.api.types.resources import SERVED
from pilothouse.apiserver.discovery import documents as discovery
from pilothouse.apiserver.openapi import descriptions, gnostic, v2
from pilothouse.apiserver.openapi import documents as openapi
from pilothouse.apiserver.table.descriptions import describe
from pilothouse.apiserver.table.sources import SOURCES
from tests.apiserver.servers import asked

GROUPS = discovery.grouped(SERVED)
TOLD = descriptions.read()
POD = "io.k8s.api.core.v1.PodSpec"


def test_schemas_carry_what_is_said_of_types_and_fields() -> None:
    schemas = openapi.v3(GROUPS[""]["v1"], "v1.36.2", TOLD)["components"]["schemas"]
    assert schemas[POD]["description"] == "PodSpec is a description of a pod."
    said = "If specified, the pod's scheduling constraints"
    assert schemas[POD]["properties"]["affinity"]["description"] == said
    assert schemas[POD]["properties"]["affinity"]["allOf"] == [
        {"$ref": "#/components/schemas/io.k8s.api.core.v1.Affinity"}
    ]
    assert schemas["io.k8s.apimachinery.pkg.apis.meta.v1.Time"]["description"].startswith("Time is a wrapper")


def test_all_that_is_said_of_what_is_served_is_passed_on() -> None:
    for name, schema in v2.document(GROUPS, "v1.36.2", TOLD)["definitions"].items():
        said = TOLD[name]
        assert schema.get("description", "") == said.description, name
        for field, value in schema.get("properties", {}).items():
            assert value.get("description", "") == said.properties[field].description, f"{name}.{field}"


def test_descriptions_keep_their_lines_and_reach_protobuf() -> None:
    definitions = v2.document(GROUPS, "v1.36.2", TOLD)["definitions"]
    text = definitions["io.k8s.api.networking.v1.HTTPIngressPath"]["properties"]["pathType"]["description"]
    assert "Matching is\n  done on a path element by element basis." in text
    assert text.encode() in gnostic.encode({"definitions": {"a": {"properties": {"b": {"description": text}}}}})


def test_without_the_documentation_only_its_words_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptions, "PACKAGE", "no_such_package")
    assert descriptions.read() == {}
    assert descriptions.stamp() == ""


def test_every_column_is_described_and_no_description_is_of_another() -> None:
    for (group, _, resource), columns in COLUMNS.items():
        names = {column[0] for column in columns}
        # the handler of a RuntimeClass looks for its text where there is none, upstream too
        bare = {name for name in names if not describe(group, resource, name)}
        assert bare == ({"Handler"} if resource == "runtimeclasses" else set()), resource
        assert set(SOURCES.get((group, resource), ())) <= names, resource


def test_fields_and_texts_of_columns() -> None:
    assert describe("", "pods", "IP").startswith("podIP address allocated to the pod.")
    assert describe("", "pods", "Status") == "The aggregate status of the containers in this pod."
    assert "UTC.\n\nPopulated by the system." in describe("apps", "deployments", "Age")


async def test_documents_are_sent_packed_and_know_their_state() -> None:
    apps = "/openapi/v3/apis/apps/v1"
    async with asked() as ask:
        packed = await ask(apps, Accept_Encoding="gzip")
        assert packed.headers["content-encoding"] == "gzip"
        assert (await ask(apps)).body == zlib.decompress(packed.body, 31)
        assert (await ask(apps, If_None_Match=packed.headers["etag"])).status == 304
        assert packed.headers["etag"].strip('"').encode() in (await ask("/openapi/v3")).body
        assert (await ask("/openapi/v3/apis/apps/v9")).status == 404
        assert (await ask("/openapi/v2", Accept="text/html")).status == 406


async def test_a_document_may_be_kept_for_ever_under_its_hash() -> None:
    async with asked() as ask:
        index = json.loads((await ask("/openapi/v3")).body)["paths"]
        for name in ("api", "apis/apps", "apis/node.k8s.io/v1", "openid/v1/jwks", "version"):
            found = await ask(index[name]["serverRelativeURL"])
            assert (found.status, found.headers["cache-control"]) == (200, "public, immutable"), name
            assert found.headers["expires"].endswith(" UTC")
            assert json.loads(found.body)["openapi"] == "3.0.0"
        stale = await ask("/openapi/v3/version?hash=OLD")
        assert (stale.status, stale.headers["location"]) == (301, index["version"]["serverRelativeURL"])
        assert (await ask("/openapi/v3/version")).headers["cache-control"] == "no-cache, private"


def test_a_build_takes_the_descriptions_along(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """What `pip install .` puts beside the module says the same as the package it was taken from."""
    build = types.SimpleNamespace(build_py=object)
    for name, module in (
        ("setuptools", types.SimpleNamespace(setup=lambda **_: None)),
        ("setuptools.command", types.SimpleNamespace(build_py=build)),
        ("setuptools.command.build_py", build),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    script = runpy.run_path(str(pathlib.Path(__file__).parents[3] / "setup.py"))
    found = importlib.util.find_spec(descriptions.PACKAGE)
    assert (script["PACKAGE"], script["DEFINITIONS"]) == (descriptions.PACKAGE, descriptions.DEFINITIONS)
    assert pathlib.Path(script["BUILT"]).name == descriptions.BUILT
    published = pathlib.Path(found.origin).parent / descriptions.DEFINITIONS
    (tmp_path / descriptions.BUILT).write_bytes(script["packed"](published.read_bytes()))
    monkeypatch.setattr(descriptions, "__file__", str(tmp_path / "descriptions.py"))
    assert descriptions.stamp().startswith(descriptions.BUILT)
    assert descriptions.read() == TOLD != {}
