"""Rejected lines: where each stands and why, packed on their way to the files under rejected/.

Every line of a file that is read twice is a duplicate, so there may be as many rejected lines as reviews. They
travel in packs of some thousand. A pack's key names the one file under rejected/ that it goes to.
"""

import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from preprocessing.pipeline.keys import SourceLine

LINES = 100_000  # source lines for which one file under rejected/ answers, so that no file outgrows memory
PACKED_ROWS = 10_000

RejectedKey = tuple[int, int, int]  # source, part, line // LINES


class RejectedLines:
    """Some rejected lines, by the key of their file under rejected/."""

    def __init__(self) -> None:
        self._rows: defaultdict[RejectedKey, list[Any]] = defaultdict(list)
        self._count = 0

    @property
    def is_full(self) -> bool:
        return self._count >= PACKED_ROWS

    def add(self, line: SourceLine, reason: str | SourceLine) -> None:
        """Add a line with its reason, or with the line whose text it repeats."""
        self._rows[line.source, line.part, line.number // LINES].append((line.number, reason))
        self._count += 1

    def drain(self) -> Iterator[tuple[RejectedKey, bytes]]:
        """Yield each key with its packed lines, then forget all lines."""
        for key, rows in self._rows.items():
            yield key, zlib.compress(json.dumps(rows).encode())
        self._rows.clear()
        self._count = 0


def rejected_file_name(key: RejectedKey, tag: str) -> str:
    """Return the name of a file under rejected/. Names sort in the order of the lines."""
    source, part, lines = key
    return f"rejected/{tag}-{source:03}-{part:05}-{lines:05}.jsonl"


REPEATED = "same text as "  # begins the reason of a duplicate


def describe_first_rejected(files: Iterable[bytes]) -> str:
    """Return line and reason of the first line of `files` that is no duplicate; empty if there is none."""
    rows = (json.loads(line) for file in files for line in file.splitlines())
    first = next((row for row in rows if not row["reason"].startswith(REPEATED)), None)
    return f"; line {first['line']}: {first['reason']}" if first else ""


def format_rejected_lines(
    key: RejectedKey, packs: Iterable[bytes], *, names: Sequence[str], first_lines: Mapping[tuple[int, int], int]
) -> bytes:
    """Return source, line number and reason as JSON lines, in the order of the lines.

    names: each source's name. first_lines: by source and part, how many lines of the source stand before the part.
    """

    def locate(source: int, part: int, line: int) -> tuple[str, int]:
        return names[source], first_lines[source, part] + line

    source, part, _ = key
    json_lines = []
    rows = (tuple(row) for pack in packs for row in json.loads(zlib.decompress(pack)))
    for line, reason in sorted(rows, key=lambda row: row[0]):
        name, number = locate(source, part, line)
        if not isinstance(reason, str):
            reason = REPEATED + "{} line {}".format(*locate(*reason))
        json_lines.append(json.dumps({"source": name, "line": number, "reason": reason}, ensure_ascii=False) + "\n")
    return "".join(json_lines).encode()
