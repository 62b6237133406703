"""The command line: grammar, exit codes, and what is printed."""

from __future__ import annotations

import json
import pathlib
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from pilothouse import __main__
from pilothouse.cli.arguments import parser
from pilothouse.cli.commands import run
from pilothouse.cli.completion import SHELLS
from pilothouse.seams.house import (
    Check,
    ClusterStatus,
    HouseError,
    LogRequest,
    NodeStatus,
    ProcessStatus,
    Progress,
    RuntimeKind,
    UpRequest,
)

NODE = NodeStatus("node-1", "172.30.0.2", "running", True)
STATUS = ClusterStatus("dev", "simulated", "https://127.0.0.1:6443", "running", True, (NODE,), "/tmp/dev")


class FakeHouse:
    """Answers from what the test gives it, and remembers what it was asked."""

    def __init__(self, status: ClusterStatus = STATUS, error: HouseError | None = None) -> None:
        self.asked: list[object] = []
        self.answer, self.error = status, error

    def up(self, request: UpRequest, progress: Progress) -> ClusterStatus:
        self.asked.append(request)
        if self.error:
            raise self.error
        progress.started("work")
        progress.finished("work", 0.1)
        return self.answer

    def down(self, name: str, progress: Progress) -> bool:
        self.asked.append(name)
        return name == "dev"

    def status(self, name: str) -> ClusterStatus:
        return self.answer

    def names(self) -> Sequence[str]:
        return ["dev", "other"]

    def rotate_encryption_key(self, name: str, progress: Progress) -> None:
        self.asked.append(f"rotate {name}")

    def kubeconfig(self, name: str) -> str:
        return "kind: Config\n"

    def doctor(self, runtime: RuntimeKind) -> Sequence[Check]:
        return [Check("program nft", False, "not found", "apt-get install nftables", ("nftables",))]

    def install(self, runtime: RuntimeKind, progress: Progress) -> Sequence[Check]:
        return [Check("program nft", True, "/usr/sbin/nft")]

    def load_image(self, name: str, archive: pathlib.Path, progress: Progress) -> Sequence[str]:
        return ["docker.io/library/web:1"]

    def logs(self, name: str, request: LogRequest) -> Iterator[str]:
        self.asked.append(request)
        yield f"{request.component or 'all'}: a line"

    def export_logs(self, name: str, folder: pathlib.Path) -> pathlib.Path:
        return folder

    def components(self, name: str) -> Sequence[str]:
        return ["control-plane"]

    def run_daemon(self, arguments: Sequence[str]) -> int:
        return 0


@pytest.mark.parametrize(
    ("argv", "request_"),
    [
        (["up"], UpRequest("default", None, None)),
        (["up", "--nodes", "0", "--name", "a"], UpRequest("a", 0, None)),
        (["up", "--runtime", "simulated"], UpRequest("default", None, "simulated")),
        (
            ["up", "--port", "7001", "--listen", "0.0.0.0", "--timeout", "5m", "--no-switch-context"],
            UpRequest("default", None, None, port=7001, listen="0.0.0.0", timeout=300.0, switch_context=False),
        ),
        (["up", "--kubeconfig", "/x"], UpRequest("default", None, None, kubeconfig=pathlib.Path("/x"))),
        (["up", "--encryption-config", "f"], UpRequest("default", None, None, encryption=pathlib.Path("f"))),
        (["up", "--kubelet-config", "f"], UpRequest("default", None, None, kubelet_config=pathlib.Path("f"))),
        (["logs", "-f", "--tail", "3", "node-1"], LogRequest("node-1", follow=True, tail=3)),
        (["logs", "--since", "1h2m3s"], LogRequest(since=3723.0)),
        (["encryption", "rotate", "--name", "a"], "rotate a"),
    ],
)
def test_the_house_is_asked_for_what_was_typed(argv: list[str], request_: object) -> None:
    house = FakeHouse()
    assert run(house, argv) == 0
    assert house.asked == [request_]


def test_up_answers_json_on_standard_output_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(FakeHouse(), ["up", "-o", "json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["nodes"][0]["address"] == "172.30.0.2"
    assert "work" in printed.err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["up", "--nodes", "-1"],
        ["up", "--nodes", "x"],
        ["up", "--nodes", "99"],
        ["up", "--name", "UPPER"],
        ["fly"],
        ["up", "--port", "0"],
        ["up", "--listen", "here"],
        ["up", "--timeout", "soon"],
        ["up", "--timeout", "0"],
        ["logs", "--tail", "-1"],
        ["logs", "--since", ""],
        ["export"],
        ["encryption"],
    ],
)
def test_misuse_is_exit_code_2_and_names_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(FakeHouse(), argv)
    assert caught.value.code == 2
    assert "--help" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "program"),
    [
        (["--bad"], "pilothouse"),
        (["up", "--bad"], "pilothouse up"),
        (["logs", "node-1", "node-2"], "pilothouse logs"),
        (["image", "load", "a.tar", "--bad"], "pilothouse image load"),
        (["status", "--help-me"], "pilothouse status"),
    ],
)
def test_misuse_names_the_command_whose_help_tells_more(
    argv: list[str], program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(FakeHouse(), argv)
    told, advice = capsys.readouterr().err.splitlines()
    assert told.startswith(f"{program}: ")
    assert advice == f"Try '{program} --help'."


def test_logs_tells_what_it_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(FakeHouse(), ["logs", "--list"]) == 0
    assert capsys.readouterr().out == "control-plane\n"


def test_an_error_is_words_and_advice_never_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(FakeHouse(error=HouseError("no root", "use sudo")), ["up"]) == 1
    assert capsys.readouterr().err == "pilothouse: no root\n  use sudo\n"


@pytest.mark.parametrize(
    ("current", "file", "words"),
    [
        ("pilothouse-dev", "", "kubectl context pilothouse-dev"),
        ("kind-a", "", "kubectl's context stays kind-a; use kubectl --context pilothouse-dev"),
        ("", "", "kubectl has no context; use kubectl --context pilothouse-dev"),
        ("pilothouse-dev", "/x", "use kubectl --kubeconfig /x"),
        ("a", "/x", "kubectl's context stays a; use kubectl --kubeconfig /x --context pilothouse-dev"),
    ],
)
def test_up_says_how_kubectl_comes_to_it(
    current: str, file: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = STATUS._replace(context="pilothouse-dev", current_context=current, kubeconfig=file)
    assert run(FakeHouse(status), ["up"]) == 0
    assert capsys.readouterr().out == f"cluster dev is ready at https://127.0.0.1:6443 ({words})\n"


def test_status_exits_1_unless_all_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(FakeHouse(), ["status"]) == 0
    assert run(FakeHouse(STATUS._replace(ready=False)), ["status"]) == 1
    assert "not ready" in capsys.readouterr().out


def test_doctor_names_the_remedy_and_exits_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(FakeHouse(), ["doctor"]) == 1
    assert "mend it with: apt-get install nftables" in capsys.readouterr().out
    assert run(FakeHouse(), ["doctor", "--install"]) == 0


def test_a_broken_cluster_keeps_nobody_from_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    class Half(FakeHouse):
        def status(self, name: str) -> ClusterStatus:
            if name == "other":
                raise HouseError("other is broken", "take it down")
            return STATUS

    assert run(Half(), ["status", "--all"]) == 1
    printed = capsys.readouterr().out
    assert "cluster dev (simulated): ready" in printed
    assert "cluster other: other is broken\n  take it down" in printed
    assert run(Half(), ["status", "--all", "-o", "json"]) == 1
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["dev", "other"]


def test_an_error_of_the_system_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    class Full(FakeHouse):
        def logs(self, name: str, request: LogRequest) -> Iterator[str]:
            raise OSError(28, "No space left on device", "/var/lib/x")

    assert run(Full(), ["logs"]) == 1
    assert capsys.readouterr().err == "pilothouse: /var/lib/x: No space left on device\n"


def test_status_tells_of_restarts_and_warns(capsys: pytest.CaptureFixture[str]) -> None:
    history = ProcessStatus("node-1", "running", 2, "B", "killed by signal 9 (SIGKILL)", "A")
    assert run(FakeHouse(STATUS._replace(processes=(history,), warnings=("soon",))), ["status"]) == 0
    printed = capsys.readouterr().out
    assert "running  Ready since B, restarted 2 times, last exit: killed by signal 9 (SIGKILL) at A" in printed
    assert "warning        soon" in printed


def test_down_of_nothing_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(FakeHouse(), ["down", "--all"]) == 0
    assert capsys.readouterr().out == "cluster dev is gone\nthere is no cluster other\n"


def test_logs_kubeconfig_and_images_print(capsys: pytest.CaptureFixture[str]) -> None:
    house = FakeHouse()
    assert run(house, ["logs"]) == run(house, ["kubeconfig"]) == run(house, ["image", "load", "x.tar"]) == 0
    assert capsys.readouterr().out == "all: a line\nkind: Config\ndocker.io/library/web:1\n"


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_completion_knows_every_command(shell: str) -> None:
    script = SHELLS[shell](parser())
    assert all(word in script for word in ("up", "down", "doctor", "image", "load", "simulated"))


def test_bash_completes_commands_and_values() -> None:
    script = SHELLS["bash"](parser())
    probe = (
        "\nCOMP_WORDS=(pilothouse image ''); COMP_CWORD=2; _pilothouse; echo ${COMPREPLY[@]}"
        "\nCOMP_WORDS=(pilothouse up --runtime s); COMP_CWORD=3; _pilothouse; echo ${COMPREPLY[@]}"
        "\npilothouse() { [ $1 = list ] && printf 'other\\ndev-2\\n'; }"
        "\nCOMP_WORDS=(pilothouse status --name d); COMP_CWORD=3; _pilothouse; echo ${COMPREPLY[@]}"
        "\npilothouse() { echo $4-plane; }"
        "\nCOMP_WORDS=(pilothouse logs --name dev d); COMP_CWORD=4; _pilothouse; echo ${COMPREPLY[@]}"
        "\nCOMP_WORDS=(pilothouse logs def); COMP_CWORD=2; _pilothouse; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", script + probe], capture_output=True, text=True, check=True)
    first, second, third, *components = done.stdout.splitlines()
    assert "load" in first.split()
    assert second == "simulated"
    assert third == "dev-2"
    assert components == ["dev-plane", "default-plane"]


@pytest.mark.parametrize(("raised", "said"), [("", "interrupted"), ("interrupted at 'x'", "interrupted at 'x'")])
def test_an_interrupt_is_one_sentence(
    raised: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt(*([raised] if raised else []))

    monkeypatch.setattr(__main__, "_end_as_interrupted", lambda: None)
    monkeypatch.setattr(__main__, "_run", interrupted)
    assert __main__.main() == 130
    assert capsys.readouterr().err == f"pilothouse: {said}\n"
