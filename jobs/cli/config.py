"""YAML into frozen dataclasses: one class a job, its defaults in the YAML file beside the job.

schema.py says the type and range of each key and has no defaults; `<job>.yaml` has the defaults, each line
with its unit or reason as a comment. `--config FILE` replaces some of them, `--set a.b=value` more. An
unknown key is an error, never ignored.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from preprocessing.errors import InputError

Job = TypeVar("Job")


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 3e-3 as text and 2024-01-31 as a date; people mean a number and a folder's name."""


_Loader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load(
    job: type[Job],
    default: Path,
    *,
    config: Path | None = None,
    sets: Sequence[str] = (),
    last: Mapping[str, Any] = MappingProxyType({}),
) -> Job:
    """The job's effective configuration: `default`, then the keys of `config`, then each `key.sub=value`, then `last`.

    `last` has whole keys that are not the user's to choose.
    Raises InputError, one line with the place, key, value and what was expected.
    """
    values = mapping(default)
    known = list(keys(values))
    if config is not None:
        values = _merge(values, mapping(config), known=known, place=str(config))
    for item in sets:
        key, equals, text = item.partition("=")
        if not equals:
            raise InputError(f"--set {item}: expected key=value")
        change: Any = _yaml(text, place=f"--set {item}")
        if isinstance(change, str) and text.strip()[0] not in "'\"[{|>&!":
            change = text.strip()  # as it stands: YAML would cut a path at ` #`
        for part in reversed(key.split(".")):
            change = {part: change}
        values = _merge(values, change, known=known, place="--set")
    return validated(job, values | dict(last))


def validated(job: type[Job], values: Mapping[str, Any]) -> Job:
    """The values as the job's class; InputError, one line, at the first that is wrong."""
    try:
        # By way of JSON, because strict validation of Python objects refuses a list for a tuple.
        return TypeAdapter(job).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise InputError(_one_line(error, values)) from None


def as_yaml(config: object) -> str:
    """The configuration as YAML, in the order of its class: what a run keeps as config.yaml."""
    return yaml.safe_dump(
        TypeAdapter(type(config)).dump_python(config, mode="json"), sort_keys=False, default_flow_style=None
    )


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """`key=old, now new` for each key whose value differs between two nested mappings."""
    before, after = dict(keys(old)), dict(keys(new))
    return [
        f"{key}={before.get(key)!r}, now {after.get(key)!r}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def _yaml(text: str, *, place: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError) as error:
        problem = getattr(error, "problem", None) or "unreadable"
        raise InputError(f"{place}: not YAML: {problem}") from None


def mapping(path: Path) -> dict[str, Any]:
    """A YAML file's mapping; InputError if it cannot be read as one."""
    try:
        values = _yaml(path.read_text(encoding="utf-8"), place=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a configuration: {error}") from None
    if values is None:
        return {}  # all its keys are comments, say
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected a mapping of keys to values, found {type(values).__name__}")
    return values


def keys(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each `key.sub` of a nested mapping with its value."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _merge(
    base: Mapping[str, Any],
    change: Mapping[str, Any],
    *,
    known: Sequence[tuple[str, Any]],
    place: str,
    at: str = "",
) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        name = f"{at}{key}"
        if key not in base:
            near = difflib.get_close_matches(name, [known_key for known_key, _ in known], n=1, cutoff=0.0)
            raise InputError(f"{place}: unknown key {name}={value!r}; the nearest known key is {near[0]}")
        if isinstance(base[key], Mapping):
            if not isinstance(value, Mapping):
                raise InputError(f"{place}: {name}={value!r}: expected keys below it: {', '.join(base[key])}")
            value = _merge(base[key], value, known=known, place=place, at=f"{name}.")
        merged[key] = value
    return merged


def _one_line(error: ValidationError, values: Mapping[str, Any]) -> str:
    """The first wrong key; where it takes one of several kinds, what each of them expected."""
    errors = error.errors()
    key = _path(errors[0]["loc"], values)
    if errors[0]["type"] == "missing":
        return f"{key}: missing"
    if errors[0]["type"] == "unexpected_keyword_argument":
        return f"{key}={errors[0]['input']!r}: unknown key"
    if errors[0]["input"] is None:
        return f"{key}: required; set it with --set {key}=... or in --config"
    expected = [e["msg"].removeprefix("Input should be ") for e in errors if _path(e["loc"], values) == key]
    return f"{key}={errors[0]['input']!r}: expected {' or '.join(expected)}"


def _path(place: Sequence[str | int], values: Any) -> str:
    """The part of pydantic's place that is a key of ours; for a union, names of its own come behind it."""
    parts = []
    for part in place:
        if not isinstance(values, Mapping | list) or (isinstance(values, list) and isinstance(part, str)):
            break
        parts.append(str(part))
        values = values[part] if isinstance(values, list) or part in values else None  # type: ignore[index]
    return ".".join(parts)
