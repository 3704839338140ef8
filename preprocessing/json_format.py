"""JSON files that hold one dataclass: strict types when read, the same bytes for the same values when written.

The dataclass describes the file. A key that it does not have is ignored unless FORBID_UNKNOWN_KEYS is its pydantic
configuration. Checks across several fields stay with the dataclass's module, which passes them as `check`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from preprocessing.errors import InputError

FORBID_UNKNOWN_KEYS = ConfigDict(extra="forbid")  # for @pydantic.with_config
MAX_VALUE_CHARS = 100  # of a wrong value in a message, which is one line

# Below 2**53 every reader of JSON holds a number exactly.
Count = Annotated[int, Field(ge=0, lt=2**53)]
PositiveInt = Annotated[int, Field(ge=1, lt=2**53)]

Record = TypeVar("Record")


def parse_json(
    record: type[Record],
    data: bytes,
    *,
    what: str,
    where: str,
    newest_format: int | None = None,
    check: Callable[[Record], None] | None = None,
) -> Record:
    """Return the dataclass `record` that a JSON file's bytes hold.

    `what` is the file's name in messages, `where` its URL. A file that has a "format" is refused if it is newer than
    `newest_format`, before anything else in it is looked at.
    Raises InputError, one line with `where`, field, value and expectation, if the file is anything else.
    """
    try:
        values = from_json(data)
        if newest_format is not None:
            _refuse_newer(values, newest_format)
        parsed: Record = _adapter(record).validate_json(data, strict=True)  # type: ignore[arg-type]  # hashable it is
        if check:
            check(parsed)
    except ValidationError as error:
        raise InputError(f"{where}: not {what}: {first_error(error, values)}") from None
    except ValueError as error:
        raise InputError(f"{where}: not {what}: {error}") from None
    return parsed


def encode_json(value: object, *, indent: int | None = 1, ascii_only: bool = False, end: str = "\n") -> bytes:
    """Return a dataclass, or values of JSON's own types, as a file's bytes, with keys in the order of the fields."""
    values = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return (json.dumps(values, indent=indent, ensure_ascii=ascii_only) + end).encode()


def has_fields_of(record: type) -> AfterValidator:
    """Return a validator for a mapping that must hold the fields of the dataclass `record`, and may hold others."""

    def validate(values: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            _adapter(record).validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            raise ValueError(first_error(error, values)) from None
        return values

    return AfterValidator(validate)


def first_error(error: ValidationError, values: Any) -> str:
    """Describe the first wrong field of the `values` that were validated: `key.sub=value: expected ...`.

    For a field that takes one of several types the text names the expectation of each.
    """
    first, *_ = errors = error.errors(include_url=False)
    key = _key(first["loc"], values)
    if first["type"] == "missing":
        return f"{key}: missing"
    if first["type"] == "value_error":
        return ": ".join([*([key] if key else []), first["msg"].removeprefix("Value error, ")])
    found = f"{key}={_shortened(first['input'])}" if key else _shortened(first["input"])
    if first["type"] == "unexpected_keyword_argument":
        return f"{found}: unknown key"
    expected = [_expectation(e["msg"]) for e in errors if _key(e["loc"], values) == key]
    return f"{found}: expected {' or '.join(expected)}"


@cache
def _adapter(record: type) -> TypeAdapter[Any]:
    return TypeAdapter(record)


def _refuse_newer(values: Any, newest_format: int) -> None:
    found = values.get("format") if isinstance(values, dict) else None
    if type(found) is int and found > newest_format:
        raise ValueError(f"format {found}, expected at most {newest_format}: written by a newer version")


def _expectation(message: str) -> str:
    """Return what pydantic's message asks for: "a valid integer", "to match pattern 'x'"."""
    return re.sub(r"^\w+ should ", "to ", message.removeprefix("Input should be "))


def _key(location: Sequence[str | int], values: Any) -> str:
    """Return the part of a pydantic location that consists of keys; names of a union's members follow it."""
    parts = []
    for part in location:
        if not isinstance(values, Mapping | list) or (isinstance(values, list) and isinstance(part, str)):
            break
        parts.append(str(part))
        values = values[part] if isinstance(values, list) or part in values else None  # type: ignore[index]
    return ".".join(parts)


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[: MAX_VALUE_CHARS - 3]}..."
