"""Completion scripts, made from the parser, so that they cannot fall behind it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from pilothouse.seams.house import DEFAULT_NAME

_BASH = """\
_pilothouse() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" path="" cluster={cluster} last="" word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        [ "$last" != --name ] || cluster="$word"
        last="$word"
        case "$word" in -*) ;; *) case "$path $word" in {paths}) path="$path $word" ;; esac ;; esac
    done
    case "${{COMP_WORDS[COMP_CWORD-1]}}" in
{values}
    esac
    case "$path" in
{words}
    esac
}}
complete -o default -F _pilothouse pilothouse
"""


# Names are asked for anew each time. fish needs no dollar sign before a command.
_CLUSTERS = "(pilothouse list 2>/dev/null)"
_COMPONENTS = '(pilothouse logs --list --name "$cluster" 2>/dev/null)'
_FISH_CLUSTER = 'string replace -rf ".*--name[= ](\\S+).*" -- "--name=\\$1" (commandline -c)'
_FISH_COMPONENTS = f"(pilothouse logs --list ({_FISH_CLUSTER}) 2>/dev/null)"


def _walk(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                yield from _walk(sub, f"{path} {name}")


def _words(parser: argparse.ArgumentParser) -> list[str]:
    found: list[str] = []
    for action in parser._actions:
        found += action.option_strings
        if not action.option_strings and action.choices is not None:
            found += [str(choice) for choice in action.choices]
        if action.dest == "component":
            found.append(f"${_COMPONENTS}")
    return found


def _values(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for _, sub in _walk(parser):
        for action in sub._actions:
            if "--name" in action.option_strings:
                yield "--name", f"${_CLUSTERS}"
            elif action.option_strings and action.choices is not None:
                yield "|".join(action.option_strings), " ".join(str(c) for c in action.choices)


def bash(parser: argparse.ArgumentParser) -> str:
    paths = [path for path, _ in _walk(parser) if path]
    words = "\n".join(
        f'        {path!r}) COMPREPLY=($(compgen -W "{" ".join(_words(sub))}" -- "$current")) ;;'
        for path, sub in _walk(parser)
    )
    values = "\n".join(
        f'        {options}) COMPREPLY=($(compgen -W "{choices}" -- "$current")); return ;;'
        for options, choices in dict(_values(parser)).items()
    )
    return _BASH.format(cluster=DEFAULT_NAME, paths="|".join(repr(path) for path in paths), words=words, values=values)


def zsh(parser: argparse.ArgumentParser) -> str:
    return "autoload -U +X bashcompinit && bashcompinit\n" + bash(parser)


def fish(parser: argparse.ArgumentParser) -> str:
    lines = []
    for path, sub in _walk(parser):
        names = path.split()
        seen = " and ".join(f"__fish_seen_subcommand_from {name}" for name in names) or "__fish_use_subcommand"
        for action in sub._actions:
            for option in action.option_strings:
                flag = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
                values = "" if action.choices is None else f" -x -a '{' '.join(map(str, action.choices))}'"
                values = f" -x -a '{_CLUSTERS}'" if option == "--name" else values
                text = (action.help or "").replace("'", "\\'")
                lines.append(f"complete -c pilothouse -n '{seen}' {flag}{values} -d '{text}'")
            if action.dest == "component":
                lines.append(f"complete -c pilothouse -n '{seen}' -f -a '{_FISH_COMPONENTS}'")
            if not action.option_strings and action.choices is not None:
                lines.append(f"complete -c pilothouse -n '{seen}' -f -a '{' '.join(map(str, action.choices))}'")
    return "\n".join(lines).replace("%%", "%") + "\n"


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
