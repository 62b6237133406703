"""The user's kubeconfig: ours goes in and out, the rest stays."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
import yaml

from pilothouse.house import kubeconfig
from pilothouse.house.spec import ClusterSpec
from pilothouse.kit.tls import KeyPair
from pilothouse.seams.house import HouseError


def own(name: str = "dev") -> dict[str, Any]:
    spec = ClusterSpec(name, "simulated", 6443, "192.0.2.1", "172.30.0.0/24", "10.244.0.0/16")
    return kubeconfig.render(spec, b"CA", b"CERT", b"KEY")


def test_a_missing_file_is_created_and_removed_again(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "deep/config"
    mark = kubeconfig.merge(own(), file)
    assert yaml.safe_load(file.read_text())["current-context"] == "pilothouse-dev"
    assert file.stat().st_mode & 0o777 == 0o600
    kubeconfig.remove("dev", mark)
    assert not file.exists()
    assert list(file.parent.iterdir()) == []


def test_what_others_have_stays_and_their_context_comes_back(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "config"
    theirs = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "x", "cluster": {"server": "https://x"}}],
        "users": [{"name": "x", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "current-context": "x",
        "preferences": {"colors": True},
    }
    file.write_text(yaml.safe_dump(theirs))
    mark = kubeconfig.merge(own(), file)
    merged = yaml.safe_load(file.read_text())
    assert [c["name"] for c in merged["contexts"]] == ["x", "pilothouse-dev"]
    kubeconfig.remove("dev", mark)
    assert yaml.safe_load(file.read_text()) == theirs


@pytest.mark.parametrize("order", ["ab", "ba"])
@pytest.mark.parametrize("existed", [True, False])
def test_the_last_of_several_clusters_restores_what_was(tmp_path: pathlib.Path, order: str, existed: bool) -> None:
    file = tmp_path / "config"
    theirs = {"contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}], "current-context": "x"}
    if existed:
        file.write_text(yaml.safe_dump(theirs))
    marks = {name: kubeconfig.merge(own(name), file) for name in "ab"}
    kubeconfig.merge(own("a"), file)  # a repair
    for name in order:
        kubeconfig.remove(name, marks[name])
    assert file.exists() is existed
    if existed:
        assert yaml.safe_load(file.read_text()) == theirs | {"clusters": [], "users": []} | {
            "apiVersion": "v1", "kind": "Config",
        }  # fmt: skip


def test_merging_twice_replaces(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "config"
    for _ in range(2):
        mark = kubeconfig.merge(own(), file)
    assert len(yaml.safe_load(file.read_text())["clusters"]) == 1
    kubeconfig.remove("dev", mark)
    assert not file.exists()


def test_a_repair_keeps_the_namespace_that_was_chosen(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "config"
    kubeconfig.merge(own(), file)
    config = yaml.safe_load(file.read_text())
    config["contexts"][0]["context"]["namespace"] = "mine"
    file.write_text(yaml.safe_dump(config))
    mark = kubeconfig.merge(own(), file)
    assert yaml.safe_load(file.read_text())["contexts"][0]["context"]["namespace"] == "mine"
    kubeconfig.remove("dev", mark)
    assert not file.exists()


def test_the_current_context_stays_if_so_asked(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "config"
    kubeconfig.merge(own("a"), file)
    kubeconfig.merge(own("b"), file, switch=False)
    assert yaml.safe_load(file.read_text())["current-context"] == "pilothouse-a"
    kubeconfig.merge(own("c"), tmp_path / "new", switch=False)
    assert yaml.safe_load((tmp_path / "new").read_text())["current-context"] == ""


def test_a_renewed_certificate_changes_its_own_user_alone(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "config"
    kubeconfig.merge(own("a"), file)
    mark = kubeconfig.merge(own("b"), file)
    before = yaml.safe_load(file.read_text())
    kubeconfig.renew("b", mark, KeyPair(b"NEW", b"KEY2"))
    after = yaml.safe_load(file.read_text())
    assert after["users"][0] == before["users"][0]
    assert after["users"][1]["user"] == {"client-certificate-data": "TkVX", "client-key-data": "S0VZMg=="}
    assert {**after, "users": []} == {**before, "users": []}
    file.unlink()
    kubeconfig.renew("b", mark, KeyPair(b"NEW", b"KEY2"))
    assert not file.exists()


def test_a_context_chosen_meanwhile_is_left_alone(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "config"
    first = kubeconfig.merge(own("a"), file)
    second = kubeconfig.merge(own("b"), file)
    kubeconfig.remove("a", first)
    assert yaml.safe_load(file.read_text())["current-context"] == "pilothouse-b"
    kubeconfig.remove("b", second)
    assert not file.exists()


def test_a_broken_file_is_refused_by_name(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "config"
    file.write_text("a: [")
    with pytest.raises(HouseError, match="is not YAML"):
        kubeconfig.merge(own(), file)
    assert file.read_text() == "a: ["


def test_the_first_existing_of_several_is_written(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "two").write_text("{}")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/one:{tmp_path}/two")
    assert kubeconfig.path() == tmp_path / "two"
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/one")
    assert kubeconfig.path() == tmp_path / "one"


def test_the_chosen_context_is_read_of_whatever_is_there(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "config"
    assert kubeconfig.current(file) == ""
    for text, chosen in (("current-context: a\n", "a"), ("{", ""), ("[]", ""), ("\xff", ""), ("{}", "")):
        file.write_bytes(text.encode("latin-1"))
        assert kubeconfig.current(file) == chosen
