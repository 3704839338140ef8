"""Configuration classes: the types of their fields, and their values as mappings and as YAML.

A configuration is a frozen dataclass. Each key is one field with its type, range, default and help text:

    epochs: PositiveInt = key(20, "passes over the training windows")
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Annotated, Any, Final, TypeVar

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from preprocessing.errors import InputError
from preprocessing.json_format import first_error

Config = TypeVar("Config")

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
REQUIRED: Final = ...  # instead of a default, for `key`

Seed = Annotated[int, Field(ge=0, lt=2**31)]
Url = Annotated[str, Field(min_length=1)]
Urls = Annotated[tuple[Url, ...], Field(min_length=1)]


def key(default: Any, text: str, **limits: Any) -> Any:
    """Return a field with this default and help text; `limits` are pydantic's `ge`, `gt`, `le` and `lt`."""
    return Field(default, description=text, **limits)


def default_values(config: Any) -> dict[str, Any]:
    """Return each key of a configuration class with its default, in nested mappings; None for a required key."""
    return {name: _default(field) for name, field in config.__pydantic_fields__.items()}


def _default(field: Any) -> Any:
    if is_dataclass(field.annotation):
        return default_values(field.annotation)
    return None if field.is_required() else field.default


def validate_config(config: type[Config], values: Mapping[str, Any]) -> Config:
    """Build a configuration from nested mappings. Raises InputError, in one line, for the first wrong value."""
    try:
        # JSON, because strict validation of Python objects refuses a list for a tuple.
        return TypeAdapter(config).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        message = first_error(error, values)
        name, _, value = message.partition("=")
        if value.startswith("None:"):
            message = f"{name}: required; set it with --set {name}=... or in --config"
        raise InputError(message) from None


def as_mapping(config: object) -> dict[str, Any]:
    """Return a configuration as nested mappings of JSON values, in the order of its fields."""
    values: dict[str, Any] = TypeAdapter(type(config)).dump_python(config, mode="json")
    return values


def as_yaml(config: object) -> str:
    """Return a configuration as YAML, in the order of its fields: the text of a run's config.yaml."""
    return yaml.safe_dump(as_mapping(config), sort_keys=False, default_flow_style=None)


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each dotted key of nested mappings with its value."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def list_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return `key=old, now new` for each key whose value differs between two nested mappings."""
    before, after = dict(flatten(old)), dict(flatten(new))
    return [
        f"{name}={before.get(name)!r}, now {after.get(name)!r}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
