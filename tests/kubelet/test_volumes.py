"""Volumes: their shapes, and files on a disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pilothouse.api.types.core.v1 import ConfigMap, Pod, Secret
from pilothouse.kubelet.volumes import atomic, disk
from pilothouse.kubelet.volumes.gather import Surroundings, shapes, token_owner
from pilothouse.kubelet.volumes.model import File, Files, Host, Scratch, VolumeError
from pilothouse.kubelet.volumes.sub_paths import Binding
from tests.kubelet.pods import container, pod


class Api:
    """An API with one ConfigMap, one Secret and tokens for all."""

    async def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        return ConfigMap(data={"a": "1"}, binary_data={"b": b"\x00"}) if name == "conf" else None

    async def secret(self, namespace: str, name: str) -> Secret | None:
        return Secret(data={"s": b"x"}) if name == "sec" else None

    async def token(self, pod: Pod, audience: str, seconds: int) -> str:
        return f"token for {audience or 'all'} {seconds}"


AROUND = Surroundings(Api(), {}, ("192.0.2.1",))


async def shape(**source: object) -> object:
    return (await shapes(pod(volumes=[{"name": "v", **source}]), AROUND))["v"]


async def test_config_map_with_all_keys_some_keys_and_modes() -> None:
    assert await shape(configMap={"name": "conf"}) == Files({"a": File(b"1", 0o644), "b": File(b"\x00", 0o644)})
    some = {"name": "conf", "defaultMode": 0o400, "items": [{"key": "a", "path": "x/y", "mode": 0o600}]}
    assert await shape(configMap=some) == Files({"x/y": File(b"1", 0o600)})


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"configMap": {"name": "gone"}}, 'configmap "gone" not found'),
        ({"secret": {"secretName": "gone"}}, 'secret "gone" not found'),
        (
            {"configMap": {"name": "conf", "items": [{"key": "z", "path": "z"}]}},
            "references non-existent config key: z",
        ),
        ({"nfs": {"server": "s", "path": "/"}}, "no volume plugin matched"),
        ({"emptyDir": {"medium": "Paper"}}, 'unknown storage medium "Paper"'),
    ],
)
async def test_what_is_missing(source: dict[str, object], text: str) -> None:
    with pytest.raises(VolumeError) as caught:
        await shape(**source)
    assert str(caught.value) == f'MountVolume.SetUp failed for volume "v" : {text}'


async def test_optional_sources_may_be_absent() -> None:
    assert await shape(configMap={"name": "gone", "optional": True}) == Files({})


async def test_projected_sources_share_a_folder() -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}},
        {"configMap": {"name": "conf", "items": [{"key": "a", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    found = await shape(projected={"sources": sources})
    assert isinstance(found, Files)
    assert {path: file.data for path, file in found.files.items()} == {
        "token": b"token for all 600",
        "ca.crt": b"1",
        "ns": b"default",
    }


async def test_empty_dir_and_host_path() -> None:
    assert await shape(emptyDir={}) == Scratch(False)
    assert await shape(emptyDir={"medium": "Memory", "sizeLimit": "1Mi"}) == Scratch(True, 1 << 20)
    assert await shape(hostPath={"path": "/x", "type": "File"}) == Host("/x", "File")


def test_only_the_one_user_of_a_pod_may_read_its_token() -> None:
    assert token_owner(pod(), 0o644) == (0o644, None)
    assert token_owner(pod(container(securityContext={"runAsUser": 7})), 0o644) == (0o600, 7)
    assert token_owner(pod(container(), container("d", securityContext={"runAsUser": 7})), 0o644) == (0o644, None)
    assert token_owner(pod(securityContext={"fsGroup": 5}), 0o644) == (0o600, None)


def files(**data: str) -> dict[str, File]:
    return {name.replace("__", "/"): File(text.encode(), 0o644) for name, text in data.items()}


def test_an_update_turns_over_all_files_at_once(tmp_path: Path) -> None:
    assert atomic.write(tmp_path, files(a="1", x__y="2"), "one", None)
    assert (tmp_path / "a").read_text() == "1"
    assert (tmp_path / "x/y").read_text() == "2"
    held = (tmp_path / "a").resolve()
    assert not atomic.write(tmp_path, files(a="1", x__y="2"), "two", None), "nothing new"
    assert atomic.write(tmp_path, files(a="3", b="4"), "three", None)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["..data", "..three", "a", "b"]
    assert (tmp_path / "a").read_text() == "3"
    assert not held.exists(), "the old version is gone"


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", ""])
def test_paths_stay_inside(tmp_path: Path, path: str) -> None:
    with pytest.raises(VolumeError):
        atomic.write(tmp_path, {path: File(b"", 0o644)}, "one", None)


def test_modes_are_as_given(tmp_path: Path) -> None:
    atomic.write(tmp_path, {"a": File(b"", 0o400)}, "one", None)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o400


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Directory", "is not a directory"),
        ("File", "is not a file"),
        ("Socket", "is not a socket"),
        ("DirectoryOrCreate", ""),
        ("FileOrCreate", ""),
        ("", ""),
        ("Nonsense", "Nonsense is an invalid volume type"),
    ],
)
def test_host_paths_are_checked(tmp_path: Path, kind: str, text: str) -> None:
    target = Host(str(tmp_path / "new/thing" if kind == "DirectoryOrCreate" else tmp_path / "thing"), kind)
    if not text:
        disk.check_host_path(target)
        assert os.path.exists(target.path) is bool(kind)
        return
    with pytest.raises(VolumeError, match=text):
        disk.check_host_path(target)


def test_links_of_host_paths_are_followed_by_their_text(tmp_path: Path) -> None:
    """The kernel would follow its own links out of the node's view of the machine."""
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    assert disk.real_host_path(Host(f"{tmp_path}/link/x", "File")) == Host(f"{tmp_path}/there/x", "File")
    assert disk.real_host_path(Host(f"/proc/self/root{tmp_path}/link", "")) == Host(f"{tmp_path}/there", "")


def test_removing_a_pods_folder(tmp_path: Path) -> None:
    made = disk.make_all(tmp_path / "p/volumes", {"v": Files(files(a="1")), "e": Scratch(False)}, "one", None)
    assert sorted(made) == ["e", "v"]
    assert stat.S_IMODE((tmp_path / "p/volumes/kubernetes.io~empty-dir/e").stat().st_mode) == 0o777
    disk.remove(tmp_path / "p")
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("relative", "doing"),
    [("out", "prepare subPath"), ("out/x", "prepare subPath"), ("dangling", "create subPath directory")],
)
def test_a_sub_path_that_leads_outside_is_refused_in_upstreams_words(tmp_path: Path, relative: str, doing: str) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "x").mkdir()
    (tmp_path / "v/out").symlink_to(tmp_path)
    (tmp_path / "v/dangling").symlink_to("nowhere")
    binding = Binding(tmp_path / "pod", "v", "c", 0, str(tmp_path / "v"), relative)
    with pytest.raises(VolumeError) as caught:
        binding.bind()
    assert str(caught.value) == f'failed to {doing} for volumeMount "v" of container "c"'
    assert not (tmp_path / "pod").exists()


@pytest.mark.parametrize(
    ("medium", "asked", "expected"),
    [
        ("HugePages", ["hugepages-2Mi"], 2 << 20),
        ("HugePages-1Gi", ["hugepages-2Mi", "hugepages-1Gi"], 1 << 30),
        ("HugePages-2048Ki", ["hugepages-2Mi"], 2 << 20),
        (
            "HugePages",
            ["hugepages-2Mi", "hugepages-1Gi"],
            "if container requests multiple huge page sizes",
        ),
        ("HugePages", ["memory"], "hugePages storage requested, but there is no resource request for huge pages"),
        ("HugePages-1Gi", ["hugepages-2Mi"], "there is no resource request for huge pages"),
        ("HugePages-x", ["hugepages-2Mi"], "quantities must match the regular expression"),
    ],
)
async def test_pages_that_a_volume_in_huge_pages_takes(medium: str, asked: list[str], expected: int | str) -> None:
    one = container(resources={"requests": dict.fromkeys(asked, "1Gi")})
    subject = pod(one, volumes=[{"name": "v", "emptyDir": {"medium": medium, "sizeLimit": "4Mi"}}])
    if isinstance(expected, int):
        assert (await shapes(subject, AROUND))["v"] == Scratch(memory=False, size=4 << 20, page=expected)
        return
    with pytest.raises(VolumeError) as caught:
        await shapes(subject, AROUND)
    assert expected in str(caught.value)
