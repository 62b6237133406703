"""A node's view of the machine, as a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.runtime.view.plan import NodeView, names, script


def view(own: str = "/srv/c/nodes/n1/root", *kept: str) -> NodeView:
    return NodeView("c", "n1", "192.0.2.1", Path(own), Path("/srv/c/run/n1/ns"), tuple(map(Path, kept)))


def mounts(one: NodeView) -> list[str]:
    return [line for line in script(one).splitlines() if line.startswith("mount --")]


def test_a_node_has_folders_of_its_own_and_a_name() -> None:
    found = script(view()).splitlines()
    for folder in ("/run", "/var/lib", "/var/log"):
        assert f"mount --rbind /srv/c/nodes/n1/root{folder} {folder}" in found
    assert any(line.startswith("{ cat /etc/hosts") and "192.0.2.1 n1" in line for line in found)
    assert found[-1] == "printf '%s\\n' n1 > /proc/sys/kernel/hostname"
    assert found.index("rm -rf /srv/c/nodes/n1/root/run") < found.index("mkdir -p -m 0755 /srv/c/nodes/n1/root/run")


@pytest.mark.parametrize(
    ("kept", "bound"),
    [
        (["/tmp/state", "/usr", "/home/me/.venv"], []),
        (["/var/lib/pilothouse/c", "/run/pilothouse/c"], ["/run/pilothouse/c", "/var/lib/pilothouse/c"]),
        (["/var/lib/j/.venv", "/var/lib/j", "/var/lib/jo"], ["/var/lib/j", "/var/lib/jo"]),
        (["/run/systemd/resolve", "/run/systemd/resolve/stub-resolv.conf"], ["/run/systemd/resolve"]),
        (["/run/resolv.conf", "/run", "/var/lib"], ["/run/resolv.conf"]),
    ],
)
def test_what_the_node_needs_stays_visible(kept: list[str], bound: list[str]) -> None:
    own = "/srv/c/nodes/n1/root"
    assert mounts(view(own, *kept))[: len(bound)] == [f"mount --bind {path} {own}{path}" for path in bound]
    assert sum("mount --bind" in line for line in mounts(view(own, *kept))) == len(bound)


def test_the_folder_that_holds_the_view_is_covered_last() -> None:
    own = "/var/lib/pilothouse/c/nodes/n1/root"
    covered = [line.split()[-1] for line in mounts(view(own, "/var/lib/pilothouse/c")) if "--rbind" in line]
    assert covered == ["/run", "/var/log", "/var/lib"]


def test_odd_names_are_quoted() -> None:
    assert "mkdir -p '/srv/o dd/root/etc'" in script(view("/srv/o dd/root"))


def hiding(hidden: list[str], shown: list[str], own: str) -> list[str]:
    one = NodeView(
        "c", "n1", "192.0.2.1", Path(own), Path("/r/ns"), (), *(tuple(map(Path, p)) for p in (hidden, shown))
    )
    return [line for line in script(one).splitlines() if line.startswith("mount")]


@pytest.mark.parametrize(
    ("hidden", "node", "covered"),
    [
        (["/srv/s"], "/srv/s/c/nodes/n1", ["/srv/s"]),
        (["/srv/s", "/srv/s/c"], "/srv/s/c/nodes/n1", ["/srv/s"]),
        (["/srv/s", "/mnt/c"], "/mnt/c/nodes/n1", ["/mnt/c", "/srv/s"]),
        (["/var/lib/ph"], "/var/lib/ph/c/nodes/n1", ["/var/lib/ph/c/nodes/n1/root/var/lib/ph"]),
        (["/var/lib/ph", "/srv/s"], "/srv/s/c/nodes/n1", ["/srv/s/c/nodes/n1/root/var/lib/ph", "/srv/s"]),
    ],
)
def test_what_is_hidden_is_covered_where_it_would_be_seen(hidden: list[str], node: str, covered: list[str]) -> None:
    found = hiding(hidden, [node], f"{node}/root")
    assert [line.split()[-1] for line in found if "--move" in line] == covered
    assert sum("remount,bind,ro" in line for line in found) == len(covered)
    shared = next(i for i, line in enumerate(found) if "--make-shared" in line)
    assert all("--make-shared" in line for line in found[shared:]), "a mount cannot be moved out of a shared one"
    for number, line in enumerate(found):
        if "--rbind" in line:  # what is not the machine's own folder in the view is covered before, all else after
            before = [one.split()[-1] for one in found[:number] if "--move" in one]
            assert before == [one for one in covered if one.startswith(f"{node}/root/")]


def test_of_what_is_hidden_the_nodes_own_is_shown() -> None:
    node = "/srv/s/c/nodes/n1"
    assert f"mount --bind {node} {node}/root/cover/c/nodes/n1" in hiding(["/srv/s"], [node, "/mnt/x"], f"{node}/root")
    assert not [line for line in hiding([], [node], f"{node}/root") if "cover" in line]


@pytest.mark.parametrize(
    ("path", "real", "hidden"),
    [
        ("/home/me/s", "/home/me/s", {"/home/me/s"}),
        ("/home/me/link", "/data/s", {"/data/s"}),
        ("/var/lib/ph", "/var/lib/ph", {"/var/lib/ph"}),
        ("/var/lib/ph", "/data/ph", {"/var/lib/ph", "/data/ph"}),
    ],
)
def test_a_folder_is_hidden_by_each_of_its_names(path: str, real: str, hidden: set[str]) -> None:
    assert set(map(str, names(Path(path), Path(real)))) == hidden
