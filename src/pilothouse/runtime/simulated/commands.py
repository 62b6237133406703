"""What a simulated container answers to commands: enough of a shell to look around in. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilothouse.seams.runtime import ExecResult

NOT_FOUND = 127


@dataclass(frozen=True, slots=True)
class Inside:
    """What a command sees."""

    hostname: str
    environment: Mapping[str, str]


def run(command: Sequence[str], inside: Inside, stdin: bytes = b"") -> ExecResult:
    """The result of a command: echo, printf, cat (of its input), env, hostname, id, true, false, exit, and `sh -c` of
    these joined by `;`, `&&` and `||`. Anything else succeeds silently if it is a path, and is not found otherwise."""
    if not command:
        return ExecResult(b"", b"", 0)
    name, arguments = command[0].rpartition("/")[2], list(command[1:])
    if name in ("sh", "bash", "ash"):
        script = arguments[1] if arguments[:1] == ["-c"] and len(arguments) > 1 else stdin.decode(errors="replace")
        return _script(script, inside, stdin)
    answer = _answer(name, arguments, inside, stdin)
    if answer is not None:
        return ExecResult(answer, b"", 0)
    if name == "false":
        return ExecResult(b"", b"", 1)
    if "/" in command[0]:
        return ExecResult(b"", b"", 0)
    return ExecResult(b"", f"{name}: not found\n".encode(), NOT_FOUND)


def _answer(name: str, arguments: Sequence[str], inside: Inside, stdin: bytes) -> bytes | None:
    """What a command that succeeds writes; None for one that is not known."""
    if name == "echo":
        quiet = "-n" in arguments
        return (" ".join(a for a in arguments if a != "-n") + ("" if quiet else "\n")).encode()
    if name == "printf":
        return " ".join(arguments).encode().decode("unicode_escape").encode()
    if name == "env":
        return "".join(f"{k}={v}\n" for k, v in inside.environment.items()).encode()
    if name == "printenv":
        return "".join(f"{inside.environment.get(a, '')}\n" for a in arguments).encode()
    fixed = {
        "cat": stdin,
        "hostname": f"{inside.hostname}\n".encode(),
        "id": b"uid=0(root) gid=0(root) groups=0(root)\n",
        "pwd": b"/\n",
        "true": b"",
        "sleep": b"",
        "ls": b"",
    }
    return fixed.get(name)


def _script(text: str, inside: Inside, stdin: bytes) -> ExecResult:
    """Words in sequence; `exit N` ends it."""
    lexer = shlex.shlex(text.replace("\n", ";"), posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    out, error, code, skip = b"", b"", 0, False
    words: list[str] = []
    try:
        tokens = [*lexer, ";"]
    except ValueError as failure:
        return ExecResult(b"", f"sh: syntax error: {failure}\n".encode(), 2)
    for token in tokens:
        if token not in (";", "&&", "||", "&", "|", ";;"):
            words.append(_expanded(token, inside))
            continue
        if words and not skip:
            if words[0] == "exit":
                last = words[1] if len(words) > 1 else str(code)
                return ExecResult(out, error, int(last) if last.isdigit() else 2)
            result = run(words, inside, stdin)
            out, error, code = out + result.stdout, error + result.stderr, result.exit_code
        words = []
        skip = (token == "&&" and code != 0) or (token == "||" and code == 0)
    return ExecResult(out, error, code)


def _expanded(word: str, inside: Inside) -> str:
    if word.startswith("$"):
        return inside.environment.get(word[1:].strip("{}"), "")
    return word
