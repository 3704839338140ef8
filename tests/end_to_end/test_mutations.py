"""Fuzz tests: mutated and generated input files in the real pipeline, many files per run.

No content of a file makes a worker raise. Each line read ends as kept, duplicate or rejected, and rejected/ names
each line that was not kept. `make test-all` runs 40,000 files, `make test` 2,000.
"""

import bz2
import json
import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preprocessing.dataset.vocabulary import SEED
from preprocessing.pipeline import graph
from preprocessing.pipeline.shards import WindowSettings
from preprocessing.sources.reader import is_splittable, split_file
from tests.support.inputs import gzipped, json_line, kaggle_zip, reviews, yelp_tar

SETTINGS = WindowSettings(window_chars=8, stride_chars=8, lowercase=True, validation_fraction=0.2, test_fraction=0.2)
FULL, FACTOR, BATCH = 40_000, 20, 500
MUTATED = FULL * 4 // 5  # hypothesis generates the other files


def outcome(files: Mapping[str, bytes], folder: Path) -> dict[str, Any]:
    """Run the pipeline on the files, check the rules that hold for every input, and return the summary."""
    (folder / "in").mkdir(parents=True)
    parts = []
    for number, (name, data) in enumerate(files.items()):
        path = folder / "in" / name
        path.write_bytes(data)
        # Small parts, so that several workers share the lines of each file.
        parts += split_file(
            number,
            url=str(path),
            name=name,
            size=len(data),
            lines=is_splittable(name, len(data), partial(bytes, data)),
            part_bytes=200,
        )
    pipeline_settings = graph.PipelineSettings(
        parts=parts,
        names=list(files),
        folder=str(folder / "out"),
        tag="0badf00d",
        window_settings=SETTINGS,
        vocabulary=SEED,
        shard_count=3,
        partition_count=2,
    )
    graph.run_graph(pipeline_settings)
    summary: dict[str, Any] = json.loads((folder / "out" / graph.PIPELINE_SUMMARY).read_bytes())
    counts = {tuple(key): count for key, count in summary["counts"]}
    rejected = sum(count for key, count in counts.items() if key[0] == "rejected")
    left_out = counts.get(("duplicate",), 0) + rejected
    assert counts.get(("read",), 0) == counts.get(("kept",), 0) + left_out
    rows = [
        json.loads(line)
        for file in summary["rejected"]
        for line in (folder / "out" / file["file"]).read_text().splitlines()
    ]
    assert len(rows) == left_out
    assert len({(row["source"], row["line"]) for row in rows}) == left_out
    assert [fault for fault in summary["faults"] if fault.partition(":")[0] not in files] == []
    assert [fault for fault in summary["faults"] if "\n" in fault or "Traceback" in fault] == []
    return summary


MARKS = [b"\n", b'"', b"{", b"}", b"\\", b"\x00", b"\xff", b'{"text": ', b","]


def mutated(data: bytes, numbers: random.Random) -> bytes:
    """Return the data after one to five mutations, which change, delete, repeat or insert bytes."""
    out = bytearray(data)
    for _ in range(numbers.randint(1, 5)):
        start = numbers.randrange(len(out) + 1)
        stop = min(len(out), start + int(numbers.expovariate(1 / 10)))
        match numbers.randrange(6):
            case 0:
                out[start : start + 1] = bytes([numbers.randrange(256)])
            case 1:
                del out[start:stop]
            case 2:
                out[start:start] = out[start:stop]
            case 3:
                out[start:start] = numbers.choice(MARKS)
            case 4:
                del out[start:]
            case 5:
                out[start:start] = numbers.randbytes(stop - start)
    return bytes(out) or b"\n"  # jobs.preprocess rejects an empty file before the pipeline runs


LINES = b"".join([*reviews(6), json_line("caf\u00e9 {x}"), json_line("caf\u00e9  {X}"), b"bad\n", json_line(5)])
CSV = b'review_id,text\na,Good soup.\nb,"Bad, ""so"" bad\nsoup."\nc,caf\xc3\xa9\n'
ROWS = [*LINES.splitlines()[:8], *(line.strip() for line in reviews(4, first=6))]
BASES: dict[str, bytes] = {
    "jsonl": LINES,
    "jsonl.gz": gzipped(LINES),
    "zip": kaggle_zip(LINES),
    "tar": yelp_tar(LINES),
    "tgz": gzipped(yelp_tar(LINES)),
    "json.bz2": bz2.compress(LINES),
    "json.zst": zstd.compress(LINES),
    "csv": CSV,
    "csv.gz": gzipped(CSV),
    "tsv": CSV.replace(b",", b"\t"),
    "one-line.json": b"[" + b", ".join(ROWS) + b"]",
    "array.json": b"[\n" + b",\n".join(ROWS) + b"\n]\n",
    "pretty.json": json.dumps([json.loads(row) for row in ROWS], indent=2).encode(),
    "txt": b"{Good soup.}{Bad soup. {really}}\n{caf\xc3\xa9}",
}
# Plain JSON lines, gzip and Kaggle's zip are the most frequent, because users read mostly these formats.
WEIGHTS = [6, 3, 3, 2, 1, 1, 1, 2, 1, 1, 2, 2, 2, 1]


@pytest.mark.parametrize("share", range(4))
def test_mutated_files_end_as_reviews_rejections_or_faults(
    share: int, tmp_path: Path, rounds: Callable[[int, int], int]
) -> None:
    numbers = random.Random(share)
    count = rounds(MUTATED // FACTOR, MUTATED) // 4
    faults = kept = 0
    for start in range(0, count, BATCH):
        suffixes = numbers.choices(list(BASES), WEIGHTS, k=min(BATCH, count - start))
        files = {f"{k}.{suffix}": mutated(BASES[suffix], numbers) for k, suffix in enumerate(suffixes)}
        summary = outcome(files, tmp_path / str(start))
        faults += len(summary["faults"])
        kept += sum(count for key, count in summary["counts"] if key == ["kept"])
        if share == 0:
            print(f"{4 * (start + len(files))} of {4 * count} mutated files", flush=True)
    assert faults > count // 20
    assert kept > count // 20


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(["text", "review_id", "stars", "Text", ""])
TEXTS = st.text(alphabet=st.characters(), max_size=60)  # lone surrogates included
RECORDS = st.builds(
    lambda text, more: json.dumps({"text": text} | more), TEXTS, st.dictionaries(KEYS, VALUES, max_size=3)
)
LINE = st.one_of(
    RECORDS.map(str.encode),
    RECORDS.map(lambda record: record.encode().decode("unicode_escape").encode("utf-8", "surrogatepass")),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=40),
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r", b""])
LINES_OF = st.lists(st.tuples(LINE, ENDS).map(b"".join), min_size=1, max_size=6).map(
    lambda lines: b"".join(lines) or b" "
)
FILE = st.one_of(
    st.tuples(st.just("jsonl"), LINES_OF),
    st.tuples(st.just("csv"), LINES_OF.map(lambda data: b"text,stars\n" + data)),
    st.tuples(st.just("txt"), LINES_OF),
    st.tuples(st.just("jsonl.gz"), LINES_OF.map(gzipped)),
)


def test_generated_files_end_as_reviews_rejections_or_faults(
    tmp_path_factory: pytest.TempPathFactory, rounds: Callable[[int, int], int]
) -> None:
    files_a_run = 50
    seen = 0

    @settings(
        max_examples=rounds((FULL - MUTATED) // FACTOR, FULL - MUTATED) // files_a_run,
        suppress_health_check=list(HealthCheck),
        phases=[phase for phase in settings().phases if phase.name not in ("shrink", "explain")],
    )
    @given(st.lists(FILE, min_size=files_a_run, max_size=files_a_run))
    def check(files: list[tuple[str, bytes]]) -> None:
        nonlocal seen
        outcome({f"{k}.{suffix}": data for k, (suffix, data) in enumerate(files)}, tmp_path_factory.mktemp("generated"))
        seen += len(files)

    check()
    assert seen >= rounds((FULL - MUTATED) // FACTOR, FULL - MUTATED)
