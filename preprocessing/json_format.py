"""JSON files as dataclasses: strict types when read, the same bytes for the same values when written.

The dataclass describes the file. Unknown keys are ignored, unless FORBID_UNKNOWN_KEYS is the dataclass's pydantic
configuration. Checks across several fields stay in the dataclass's module, which passes them as `check`.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from preprocessing.errors import InputError

FORBID_UNKNOWN_KEYS = ConfigDict(extra="forbid")  # for @pydantic.with_config
MAX_VALUE_CHARS = 100  # of a wrong value in a message

# Below 2**53 every reader of JSON holds a number exactly.
Count = Annotated[int, Field(ge=0, lt=2**53)]
PositiveCount = Annotated[int, Field(ge=1, lt=2**53)]

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
    """Parse a JSON file's bytes as the dataclass `record`.

    what: the kind of file, for messages, such as "a detector".
    where: the file's URL, for messages.
    newest_format: the newest value of the file's field `format` that this version can read.
    check: a check across fields, which raises ValueError.

    Raises InputError, in one line with `where`, field, value and expectation. A newer format is reported before all
    other errors.
    """
    try:
        values = from_json(data)
        if newest_format is not None:
            _refuse_newer(values, newest_format)
        parsed: Record = _adapter(record).validate_json(data, strict=True)  # type: ignore[arg-type]  # a class is hashable
        if check:
            check(parsed)
    except ValidationError as error:
        raise InputError(f"{where}: not {what}: {first_error(error, values)}") from None
    except ValueError as error:
        raise InputError(f"{where}: not {what}: {error}") from None
    return parsed


def encode_json(value: object, *, indent: int | None = 1, ascii_only: bool = False, end: str = "\n") -> bytes:
    """Encode a dataclass, or values of JSON's own types, as a file's bytes. Keys are in the order of the fields."""
    values = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return (json.dumps(values, indent=indent, ensure_ascii=ascii_only) + end).encode()


def format_json(values: object, *, indent: int | None = None) -> str:
    """Format values as JSON for another program. NaN and infinite numbers become null, because JSON has neither."""
    return json.dumps(_finite(values), indent=indent, ensure_ascii=False, allow_nan=False)


def has_fields_of(record: type) -> AfterValidator:
    """Return a validator for a mapping that must have the fields of the dataclass `record`, and may have others."""

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
    field = f"{key}={_shortened(first['input'])}" if key else _shortened(first["input"])
    if first["type"] == "unexpected_keyword_argument":
        return f"{field}: unknown key"
    expected = [_expectation(e["msg"]) for e in errors if _key(e["loc"], values) == key]
    return f"{field}: expected {' or '.join(expected)}"


@cache
def _adapter(record: type) -> TypeAdapter[Any]:
    return TypeAdapter(record)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _refuse_newer(values: Any, newest_format: int) -> None:
    number = values.get("format") if isinstance(values, dict) else None
    if type(number) is int and number > newest_format:
        raise ValueError(f"format {number}, expected at most {newest_format}: written by a newer version")


def _expectation(message: str) -> str:
    """Return what pydantic's message asks for: "a valid integer", "to match pattern 'x'"."""
    return re.sub(r"^\w+ should ", "to ", message.removeprefix("Input should be "))


def _key(location: Sequence[str | int], values: Any) -> str:
    """Return the keys of a pydantic location, joined by dots. The names of a union's members after them are cut."""
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
