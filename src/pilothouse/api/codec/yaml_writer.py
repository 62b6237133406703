"""JSON trees as YAML, in the style that the API server writes: keys sorted, text quoted where it would be something
else. Pure."""

from __future__ import annotations

import re
from typing import Any

import yaml

# What YAML 1.1 reads as a number, a boolean, null or a moment.
_OTHER = re.compile(
    r"""(?: [yYnN] | [Yy]es | YES | [Nn]o | NO | [Tt]rue | TRUE | [Ff]alse | FALSE | [Oo]n | ON | [Oo]ff | OFF
      | ~ | [Nn]ull | NULL | <<
      | [-+]? (?: [0-9][0-9_]* (?:\.[0-9_]*)? | \.[0-9][0-9_]* ) (?:[eE][-+]?[0-9]+)?
      | [-+]? 0b[01_]+ | [-+]? 0o?[0-7_]+ | [-+]? 0x[0-9a-fA-F_]+
      | [-+]? [0-9][0-9_]* (?: : [0-5]?[0-9] )+ (?:\.[0-9_]*)?
      | [-+]? \.(?:inf|Inf|INF) | \.(?:nan|NaN|NAN)
      | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2} (?: (?:[Tt]|[ \t]+) .* )?
    )\Z""",
    re.VERBOSE,
)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    if "\n" in value:
        style = "|"
    elif not value or _OTHER.match(value):
        style = '"'
    else:
        style = ""
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style or None)


_Dumper.add_representer(str, _text)


def written(tree: Any) -> bytes:
    """`tree` as one YAML document."""
    text: str = yaml.dump(tree, Dumper=_Dumper, sort_keys=True, default_flow_style=False, allow_unicode=True, width=80)
    return text.encode()
