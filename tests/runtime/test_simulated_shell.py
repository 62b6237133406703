"""The small shell of simulated containers, against what a POSIX shell (busybox ash) does."""

from __future__ import annotations

import contextlib
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.kit.tasks import TaskScope
from pilothouse.runtime.simulated.cgroup import Cgroup, Host
from pilothouse.runtime.simulated.effects import Input, Streams
from pilothouse.runtime.simulated.execution import Execution
from pilothouse.runtime.simulated.files import Files
from pilothouse.runtime.simulated.programs.call import Call, Inside, Unknown
from pilothouse.runtime.simulated.shell.interpreter import start_program
from pilothouse.runtime.simulated.shell.parser import parse
from pilothouse.runtime.simulated.shell.words import ScriptError
from pilothouse.testing.clock import VirtualClock

ENVIRONMENT = {"GREETING": "hi", "NAME": "there", "PATH": "/bin", "HOME": "/root"}


async def run(clock: VirtualClock, *command: str, stdin: bytes = b"") -> tuple[str, str, int]:
    """(stdout, stderr, exit code) of a command, however long it takes."""
    out, error = bytearray(), bytearray()
    cgroup = Cgroup(Host(clock))
    inside = Inside("web-0", ENVIRONMENT, lambda: 86400.0 * 365, Files(cgroup), cgroup, Unknown.BY_PATH)
    call = Call(command[0], command[1:], Streams(Input.of(stdin), out.extend, error.extend), ENVIRONMENT, "/", inside)
    code = await Execution(start_program(call), clock, cgroup).run()
    return out.decode(), error.decode(), code


def busybox(script: str) -> subprocess.CompletedProcess[bytes]:
    command = ["/bin/busybox", "sh", "-c", script]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False, timeout=20)


# What is the same in every POSIX shell; compared with busybox below.
SCRIPTS = [
    "echo one; echo two",
    "echo $GREETING ${NAME}",
    "echo '${GREETING}, you' \"${GREETING}, you\"",
    "true && echo yes || echo no",
    "false && echo yes || echo no",
    "echo a; exit 3; echo b",
    "false; exit",
    "exit 257",
    "echo kept; echo lost > /tmp/x-$$-f; echo too 2>&1 >>/tmp/x-$$-f; cat /tmp/x-$$-f; rm /tmp/x-$$-f",
    "echo -n a; echo -e 'b\\tc'",
    "echo 'no end",
    "if true; then echo a; elif false; then echo b; else echo c; fi",
    "if false; then echo a; elif true; then echo b; else echo c; fi",
    "if false; then echo a; fi; echo $?",
    "for i in 1 2 3; do echo $i; done",
    "for i in $(seq 1 3); do [ $i = 2 ] && continue; echo $i; done",
    "i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo $i; done",
    "i=5; until [ $i -le 3 ]; do i=$((i - 1)); done; echo $i",
    "while true; do while true; do break 2; done; done; echo out",
    "case abc in a*) echo first;; *) echo other;; esac",
    "case $NAME in x|there) echo match;; esac; echo $?",
    "f() { echo got $1 of $#; return 4; }; f a b; echo $?",
    "x=1; (x=2; echo $x); echo $x",
    "{ echo a; echo b; } | wc -l | tr -d ' '",
    "echo b a c | tr ' ' '\\n' | sort | head -n 2",
    "cat <<END\nhello $NAME\n  $((2*3+1))\nEND\necho after",
    "cat <<'END'\nhello $NAME\nEND",
    "echo ${MISSING:-default} ${NAME:+set} ${#NAME}",
    "f=/a/b/c.txt; echo ${f##*/} ${f%/*} ${f%.txt} ${f#/a}",
    "echo $((1+2*3)) $(( (1+2)*3 )) $((7/2)) $((-7%3)) $((1<2)) $((5==5 && 0))",
    'set -- a \'b c\' d; echo $# "$2"; shift; echo $1; for x in "$@"; do echo [$x]; done',
    "set -e; echo a; false; echo b",
    "set -e; false || echo kept; if false; then :; fi; echo end",
    "echo $(echo nested $(echo deeper))",
    "echo `echo old`",
    "x='a  b'; echo $x; echo \"$x\"",
    "printf '%s-%d\\n' a 1 b 2; printf '%05.1f|%-3s|%x\\n' 3.14159 ab 255",
    "[ 1 -lt 2 ] && [ ! a = b ] && [ -n x -a -z '' ]; echo $?",
    "test -e /nowhere; echo $?",
    "echo a b | while read x y; do echo $y $x; done",
    "trap 'echo bye' EXIT; echo hi; exit 3",
    "! true; echo $?",
    "a=1 b=2; echo $a$b; unset a; echo [$a]",
    "eval 'echo $NAME'",
    "echo a & wait; echo b",
    "(exit 3) & wait $!; echo $?",
    "# only a comment\necho x # and here",
    "echo a \\\n b",
    "echo hi | grep -q h && echo found",
    "printf 'a\\nb\\nc\\n' | grep -v b; printf 'a\\nb\\n' | grep -c b",
    "echo '*' \\* \"*\"",
    "cd /tmp && pwd; cd / ; pwd",
    "nothing-of-the-kind",
    "exec echo replaced; echo never",
    "if ! false; then echo a; fi",
    "x=$(false); echo $?",
    "echo ${x:=assigned} $x",
    ": ${MUST:?be set}; echo not reached",
    "command -v nothing-of-the-kind || echo none",
    "date -u +%s > /dev/null; echo done",
    "for f; do echo $f; done; echo none",
    "echo \"a'b\" 'c\"d' e\\ f",
    "[ a = a ] || exit 1; echo ok 1>&2; echo out",
    "echo 'dGVzdA==' | base64 -d",
    "echo before\n)\necho after",
    "x=a.tar.gz; echo ${x%.*} ${x%%.*} ${x#*.} ${x##*.} ${x%nothing}",
    "x='a*b'; echo ${x%\\*b} ${x#a\\*} ${x%'*b'}",
    "case a-b in [!a]*) echo no;; a[-_]?) echo yes;; esac; case x in [[:alpha:]]) echo letter;; esac",
    "x=-5; echo $((x+1)); y=' 7 '; echo $((y*2)) $((2+3*4-5%3)) $((1<<3|1)) $((-2-(-3)))",
    "for i in $(seq 1 3000); do :; done; echo $i",
    "i=0; while [ $i -lt 150 ]; do i=$((i+1)); true & wait; done; echo $i",
    "printf 'b\\na\\nb\\n' | sort -u; printf 'one two\\nthree' | wc; printf '1\\n2\\n3\\n4' | tail -n 2",
    "seq 1 1000 | sort -r | head -n 2; seq 1 200 | base64 | base64 -d | tail -n 1",
    "mkdir -p /tmp/g-$$/h; cd /tmp/g-$$; touch ab ac h/x; echo a* *c 'a'? nothing*; cd /; rm -r /tmp/g-$$",
]


@pytest.mark.parametrize("script", SCRIPTS)
async def test_scripts_do_what_busybox_does(clock: VirtualClock, script: str) -> None:
    real = busybox(script)
    out, error, code = await run(clock, "sh", "-c", script)
    assert (out, code) == (real.stdout.decode(), real.returncode)
    assert bool(error) == bool(real.stderr)


@pytest.mark.parametrize(
    ("script", "seconds"),
    [
        ("sleep 30", 30.0),
        ("sleep 1m 0.5", 60.5),
        ("sleep 2 && exit 7; sleep 9", 2.0),
        ("for i in 1 2 3; do sleep 1; done", 3.0),
        ("sleep 5 & sleep 7 & wait", 7.0),
        ("while [ ! -e /ready ]; do sleep 1; i=$((i+1)); [ $i = 4 ] && touch /ready; done", 4.0),
    ],
)
async def test_it_takes_the_time_it_says(clock: VirtualClock, script: str, seconds: float) -> None:
    before = clock.monotonic()
    await run(clock, "sh", "-c", script)
    assert clock.monotonic() - before == pytest.approx(seconds)


async def test_a_job_that_is_killed_is_gone(clock: VirtualClock) -> None:
    script = "i=0; while [ $i -lt 100 ]; do i=$((i+1)); sleep 1000 & kill $!; done; wait $!; echo $?"
    before = clock.monotonic()
    assert await run(clock, "sh", "-c", script) == ("143\n", "", 0)
    assert clock.monotonic() - before < 1


async def test_files_last_for_the_next_commands(clock: VirtualClock) -> None:
    script = "mkdir -p /data/a && echo x > /data/a/f && cp -r /data /copy && mv /copy/a /b && rm -r /data"
    script += " && cat /b/f && ls /copy /b"
    assert await run(clock, "sh", "-c", script) == ("x\n/copy:\n/b:\nf\n", "", 0)


async def test_an_archive_goes_in_and_comes_out(clock: VirtualClock) -> None:
    packed = "mkdir -p /d/e; echo 1 > /d/one; echo 2 > /d/e/two; tar cf /a.tar -C / d; rm -r /d; tar xf /a.tar -C /tmp"
    assert await run(clock, "sh", "-c", f"{packed}; cat /tmp/d/one /tmp/d/e/two") == ("1\n2\n", "", 0)
    assert (await run(clock, "tar", "xmf", "-", "-C", "/tmp", stdin=b"no archive" * 100))[2] == 1
    assert await run(clock, "tar", "cf", "-", "nowhere") != ("", "", 0)


@pytest.mark.parametrize(
    "script",
    [
        "f() { f; }; f",
        "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done",
        "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; echo end",
        "(" * 300 + "echo" + ")" * 300,
        "echo $((" + "(" * 300 + "1" + ")" * 300 + "))",
        "echo " + "$(echo " * 60 + ")" * 60,
        "if " * 500,
        "while true; do (true) & done",
        "s() { sh -c 's() { sh -c s; }; s'; }; " + "sh -c '" * 1 + "s'",
        "echo ${a:-${a:-${a:-${a:-b}}}}",
        "yes | head",
    ],
)
async def test_hostile_scripts_end_or_rest(clock: VirtualClock, script: str) -> None:
    """None takes the thread or the memory for itself: it fails, or it is made to pause."""
    async with TaskScope("hostile") as scope:
        task = scope.spawn(run(clock, "sh", "-c", script), "script")
        await clock.sleep(30)
        task.cancel()


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab $(){}`'\"\\;&|<>\n#=!*?[]-0~:%+/if then fi do done", max_size=60))
def test_any_text_parses_or_is_refused(text: str) -> None:
    with contextlib.suppress(ScriptError):
        parse(text)
