"""What --help says of a job's keys, taken from its schema and from the comments of its YAML file."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from jobs.cli.config import keys, mapping


def describe(job: type[object], default: Path) -> str:
    """One line a key for --help: name, type and range, default, and the comment of its line in the YAML."""
    schema = TypeAdapter(job).json_schema()
    values, comments = dict(keys(mapping(default))), _comments(default)
    lines = []
    for key, value in values.items():
        kind = _kind(schema, key.split("."))
        shown = "(required)" if value is None else yaml.safe_dump(value, default_flow_style=True).split("\n")[0]
        lines.append(f"  {key:<24} {kind:<34} {shown:<24} {comments[key]}")
    return "\n".join(lines)


def _comments(path: Path) -> dict[str, str]:
    """The comment at the end of each key's line, by dotted key."""
    comments, parents = {}, [""]
    for line in path.read_text(encoding="utf-8").splitlines():
        found = re.match(r"( *)(\w+):([^#]*)(?:# *(.*))?$", line)
        if found:
            indent, key, _, comment = found.groups()
            parents[len(indent) // 2 :] = [key]
            comments[".".join(parents)] = comment or ""
    return comments


def _kind(schema: Mapping[str, Any], key: Sequence[str]) -> str:
    node: Mapping[str, Any] = schema
    for part in key:
        node = _resolve(schema, node)["properties"][part]
    return _type(_resolve(schema, node))


def _resolve(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    return schema["$defs"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node


def _type(node: Mapping[str, Any]) -> str:
    if "anyOf" in node:
        return " or ".join(_type(choice) for choice in node["anyOf"])
    if "enum" in node:
        return " | ".join(node["enum"])
    if "const" in node:
        return str(node["const"])
    if node["type"] == "array":
        return f"list of {_type(node['items'])}"
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    return " ".join([node["type"], *(f"{sign} {node[name]:g}" for name, sign in bounds.items() if name in node)])
