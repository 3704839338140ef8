"""Lines that become no review: where they stand and why, packed on their way to rejected/.

Of a file given twice each line is a duplicate, so there may be as many as reviews: they travel some thousand
at a time, by the file, its part and the hundred thousand lines that one file under rejected/ answers for.
"""

import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from preprocessing.pipeline.duplicates import SourceLine

LINES = 100_000  # source lines that one file under rejected/ answers for, so that none outgrows memory
PACKED_ROWS = 10_000

Key = tuple[int, int, int]  # source, part, line // LINES


class Rejections:
    """Some rejected lines, by the file under rejected/ that they go to."""

    def __init__(self) -> None:
        self._rows: defaultdict[Key, list[Any]] = defaultdict(list)
        self._count = 0

    def add(self, line: SourceLine, reason: str | SourceLine) -> None:
        """Add a line with its reason, or with the line whose text it repeats."""
        self._rows[line.source, line.part, line.number // LINES].append((line.number, reason))
        self._count += 1

    @property
    def enough(self) -> bool:
        return self._count >= PACKED_ROWS

    def taken(self) -> Iterator[tuple[Key, bytes]]:
        """The rows, packed; then there are none."""
        for key, rows in self._rows.items():
            yield key, zlib.compress(json.dumps(rows).encode())
        self._rows.clear()
        self._count = 0


def file_name(key: Key, tag: str) -> str:
    """Of a file under rejected/; by name they are in the order of the lines."""
    source, part, lines = key
    return f"rejected/{tag}-{source:03}-{part:05}-{lines:05}.jsonl"


def as_lines(
    key: Key, packed: Iterable[bytes], *, names: Sequence[str], first_lines: Mapping[tuple[int, int], int]
) -> bytes:
    """Source, line number and reason as JSON lines, in the order of the lines.

    `names` of the sources; `first_lines`: how many lines of its file stand before a part of it.
    """

    def described(source: int, part: int, line: int) -> tuple[str, int]:
        return names[source], first_lines[source, part] + line

    out = []
    for line, reason in sorted((tuple(row) for pack in packed for row in json.loads(zlib.decompress(pack))), key=_line):
        name, number = described(*key[:2], line)
        if not isinstance(reason, str):
            reason = "same text as {} line {}".format(*described(*reason))
        out.append(json.dumps({"source": name, "line": number, "reason": reason}, ensure_ascii=False) + "\n")
    return "".join(out).encode()


def _line(row: tuple[int, Any]) -> int:
    return row[0]
