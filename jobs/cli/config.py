"""A command's configuration: the defaults of its class, changed by `--config FILE` and then by each `--set key=value`.

The class also gives the keys' text for `--help` and for `--print-config`. An unknown key is an error.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml
from pydantic import TypeAdapter

from preprocessing.errors import InputError
from preprocessing.settings import Config, default_values, flatten, validate_config


class _Loader(yaml.SafeLoader):
    """YAML 1.1, but 3e-3 is a number and not text, and 2024-01-31 is text (a folder's name) and not a date.

    A repeated key is an error. So are a number with a leading zero, octal in YAML 1.1, and 1:30, which is 90 there.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise _error(key, f"the key {key.value} is given twice")
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        if re.match(r"[-+]?0[0-9_]|.*:", node.value):
            raise _error(node, f"{node.value} is no decimal number")
        return self.construct_yaml_int(node) if node.tag.endswith("int") else self.construct_yaml_float(node)


def _error(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=f"line {node.start_mark.line + 1}: {problem}", problem_mark=node.start_mark)


for _kind_of_number in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind_of_number}", _Loader.construct_number)


_Loader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load_config(
    config: type[Config],
    *,
    file: Path | None = None,
    sets: Sequence[str] = (),
    last: Mapping[str, Any] = MappingProxyType({}),
) -> Config:
    """Build a command's configuration: the defaults, then the keys of `file`, then each `key.sub=value`, then `last`.

    `last` has whole keys that the user does not choose.
    Raises InputError, in one line with the file or option, the key, its value and the expectation.
    """
    values = default_values(config)
    known = [name for name, _ in flatten(values)]
    if file is not None:
        values = _merge(values, read_mapping(file), known=known, source=str(file))
    for text in sets:
        values = _merge(values, _change(text), known=known, source="--set")
    return validate_config(config, values | dict(last))


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping. Raises InputError for any other file."""
    try:
        values = _parse(path.read_text(encoding="utf-8"), source=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a configuration: {error}") from None
    if values is None:
        return {}  # a file of comments alone
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected a mapping of keys to values, found {type(values).__name__}")
    return values


def _change(text: str) -> dict[str, Any]:
    """Parse `key.sub=value` to nested mappings."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: expected key=value")
    change = _parse(value, source=f"--set {text}")
    if isinstance(change, str) and value.strip()[0] not in "'\"[{|>&!":
        change = value.strip()  # unparsed: YAML would cut a path at ` #`
    for part in reversed(name.split(".")):
        change = {part: change}
    return change  # type: ignore[no-any-return]


def _parse(text: str, *, source: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError) as error:
        problem = getattr(error, "problem", None) or "unreadable"
        raise InputError(f"{source}: not YAML: {problem}") from None


def _merge(
    base: Mapping[str, Any], change: Mapping[str, Any], *, known: Sequence[str], source: str, prefix: str = ""
) -> dict[str, Any]:
    """Return `base` with the keys of `change`, key by key. Raises InputError if `base` lacks one of them."""
    merged = dict(base)
    for key, value in change.items():
        name = f"{prefix}{key}"
        if key not in base:
            [near] = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise InputError(f"{source}: unknown key {name}={value!r}; the nearest known key is {near}")
        if isinstance(base[key], Mapping):
            if not isinstance(value, Mapping):
                raise InputError(f"{source}: {name}={value!r}: expected keys below it: {', '.join(base[key])}")
            value = _merge(base[key], value, known=known, source=source, prefix=f"{name}.")
        merged[key] = value
    return merged


class Key(NamedTuple):
    """A key as --help shows it; `default` is YAML, empty for a required key."""

    name: str
    kind: str
    default: str
    text: str


def describe_keys(config: type[object]) -> Iterator[Key]:
    """Yield each key of a configuration class, in the order of its fields."""
    schema = TypeAdapter(config).json_schema()
    for name, default in flatten(default_values(config)):
        node: Any = schema
        for part in name.split("."):
            node = node["properties"][part]
            node = schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        shown = "" if default is None else yaml.safe_dump(default, default_flow_style=True).split("\n")[0]
        yield Key(name, _kind(node), shown, node["description"])


def format_help(config: type[object]) -> str:
    """Return one line for each key: name, type and range, default, help."""
    return "\n".join(
        f"  {key.name:<24} {key.kind:<34} {key.default or '(required)':<24} {key.text}" for key in describe_keys(config)
    )


def format_template(config: type[object]) -> str:
    """Return a YAML file of all keys with their defaults and comments, which `--config` accepts."""
    lines, section = [], ""
    for key in describe_keys(config):
        parent, _, name = key.name.rpartition(".")
        if parent != section:
            section = parent
            lines.append(f"{section}:")
        setting = f"{'  ' if parent else ''}{name}: {key.default or 'null'}"
        lines.append(f"{setting:<30} # {'' if key.default else 'required: '}{key.text}")
    return "\n".join(lines) + "\n"


def _kind(node: Mapping[str, Any]) -> str:
    """Describe the type and range in a JSON schema."""
    if "anyOf" in node:
        return " or ".join(_kind(choice) for choice in node["anyOf"])
    if "enum" in node:
        return " | ".join(node["enum"])
    if "const" in node:
        return str(node["const"])
    if node["type"] == "array":
        return f"list of {_kind(node['items'])}"
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    return " ".join([node["type"], *(f"{sign} {node[name]:.10g}" for name, sign in bounds.items() if name in node)])
