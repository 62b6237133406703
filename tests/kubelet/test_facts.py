"""What the machine under a node has."""

from __future__ import annotations

from pathlib import Path

from pilothouse.api.quantity import parse
from pilothouse.kubelet.node import facts


def test_huge_pages_are_told_by_size_and_are_no_memory_for_others(tmp_path: Path) -> None:
    for name, count in (("hugepages-2048kB", 5), ("hugepages-64kB", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "nr_hugepages").write_text(f"{count}\n")
    found = facts.huge_pages(tmp_path)
    assert found == {"hugepages-1Gi": 0, "hugepages-2Mi": 10 << 20, "hugepages-64Ki": 0}
    total = {"memory": parse("100Mi"), "cpu": parse("2"), "hugepages-2Mi": parse("10Mi")}
    assert str(facts.allocatable(total)["memory"]) == "90Mi"
    assert facts.huge_pages(tmp_path / "none") == {"hugepages-1Gi": 0, "hugepages-2Mi": 0}
