"""jobs.describe: its output, compared with a reader that counts characters one by one."""

import re
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jobs import describe
from jobs.terminal.table import name_symbol
from preprocessing.dataset import records
from preprocessing.dataset.folder import open_dataset
from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import InputError
from preprocessing.storage.urls import open_bucket
from tests.support.datasets import count_naively, make_dataset, write_dataset


def run_describe(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run jobs.describe and return its standard output."""
    describe.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def error_of(*arguments: object) -> str:
    """Run jobs.describe and return the message of its InputError."""
    with pytest.raises(InputError) as raised:
        describe.main([str(argument) for argument in arguments])
    assert "\n" not in str(raised.value)
    return str(raised.value)


SYMBOLS = "\n <&ab$\\\x00é{}"
DESCRIBED = r"""Settings

fingerprint   f00df00df00d
window_chars  4
stride_chars  4
lowercase     True
shard_rule    as asked for
symbols       12 (uint8)
record_bytes  36

Source files

r.json  1,234 bytes  AAAAAA==

Lines read

read                    8
= kept                  3
+ duplicate             1
+ rejected              4
    not JSON            3
    <x>\x1b is no text  1

Splits

            reviews  characters  windows  shards  tail
train             2          13        3       1     0
validation        2           5        1       1     0
test              0           0        0       0     0
all               4          18        4       2     0

Review lengths in characters

min                2
median             2
mean             2.5
90th percentile    3
99th percentile    3
max                3
of 2 whole reviews out of 3; 2 cut at a shard's end left out

Symbols

a      4  22.222%    \n     1   5.556%    &      1   5.556%    \\     1   5.556%
{      4  22.222%    space  1   5.556%    b      1   5.556%    \x00   1   5.556%
}      2  11.111%    <      1   5.556%    $      1   5.556%    é      0   0.000%

Dropped symbols

寿     4,000
space      1

Windows

train-0.tfrecord, window 0 of the train split
    {<&a}
train-0.tfrecord, window 1 of the train split
    }{\na$
train-0.tfrecord, window 2 of the train split
    $\\ aa
"""


def small_dataset() -> tuple[Manifest, list[bytes]]:
    """Make the dataset of DESCRIBED."""
    counts = {
        "read": 8,
        "kept": 3,
        "duplicate": 1,
        "rejected": {"<x>\x1b is no text": 1, "not JSON": 3},
        "dropped": {" ": 1, "寿": 4000},
    }
    texts = [("train", "{<&a}{\na$\\ aa"), ("validation", "{b\x00}{")]
    return make_dataset(texts, symbols=SYMBOLS, counts=counts)


def section_lines(output: str, title: str) -> list[str]:
    """Return the lines under a title."""
    return output.split(f"{title}\n\n")[1].split("\n\n")[0].splitlines()


def test_description_of_a_small_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_describe(capsys, write_dataset(tmp_path / "d", *small_dataset())) == DESCRIBED


def test_numbers_of_a_real_dataset_equal_those_of_a_naive_reader(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = open_dataset(str(dataset)).manifest
    output = run_describe(capsys, dataset)
    symbols, whole, cut = count_naively(manifest, [(dataset / shard.name).read_bytes() for shard in manifest.shards])
    cells = re.findall(r"(\S+) +([\d,]+) +[\d.]+%", "\n".join(section_lines(output, "Symbols")))
    counted = {symbol: int(count.replace(",", "")) for symbol, count in cells}
    assert counted == {name_symbol(symbol): symbols[symbol] for symbol in manifest.vocabulary}
    assert list(counted.values()) != sorted(counted.values(), reverse=True)  # sorted by column, not by line
    *rows, note = section_lines(output, "Review lengths in characters")
    assert [row.split()[-1] for row in rows] == [
        f"{whole[0]:,}",
        f"{statistics.median_low(whole):,}",
        f"{statistics.mean(whole):,.1f}",
        f"{whole[-(-len(whole) * 90 // 100) - 1]:,}",
        f"{whole[-(-len(whole) * 99 // 100) - 1]:,}",
        f"{whole[-1]:,}",
    ]
    assert len(whole) + cut == 300
    assert note == f"of {len(whole)} whole reviews out of 300; {cut} cut at a shard's end left out"
    assert section_lines(output, "Splits")[-1].split()[:2] == ["all", "300"]
    assert [line for line in section_lines(output, "Settings") if line.startswith("split_rule ")]
    assert not [line for line in section_lines(output, "Settings") if line.startswith("vocabulary")]


def test_first_middle_and_last_window_are_printed(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = open_dataset(str(dataset)).manifest
    windows: list[tuple[str, int, str]] = []
    for shard in manifest.shards_of("train"):
        data = np.frombuffer((dataset / shard.name).read_bytes(), np.uint8).reshape(-1, manifest.record_bytes)
        rows = records.payload(data, manifest.id_dtype(), 17)
        windows += [
            (shard.name, number, manifest.symbols().decode(row)) for number, row in enumerate(rows, len(windows))
        ]
    expected = []
    for name, number, text in (windows[0], windows[len(windows) // 2], windows[-1]):
        shown = text.replace("\n", "\\n")
        expected += [f"{name}, window {number:,} of the train split", f"    {shown}".rstrip()]
    assert [line.rstrip() for line in section_lines(run_describe(capsys, dataset), "Windows")] == expected


def test_all_symbols_are_printed_in_columns_that_fit_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    symbols = "".join(chr(0x4E00 + k) for k in range(300)) + "{}"
    lines = section_lines(
        run_describe(capsys, write_dataset(tmp_path / "d", *make_dataset([("train", "{aab}")], symbols=symbols))),
        "Symbols",
    )
    assert {cell for line in lines for cell in line.split()[::3]} == set(symbols)
    assert max(len(line) + line.count("一") for line in lines) <= 100


def test_long_lists_end_with_the_number_of_left_out_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = {"read": 3, "kept": 3, "duplicate": 0, "rejected": {}, "dropped": {chr(65 + k): k for k in range(25)}}
    sources = tuple({"name": f"{k:02}.json", "bytes": k, "crc32c": "AAAAAA=="} for k in range(21))
    output = run_describe(
        capsys, write_dataset(tmp_path / "d", *make_dataset([("train", "{aab}")], counts=counts, sources=sources))
    )
    dropped = section_lines(output, "Dropped symbols")
    assert (dropped[0], dropped[19], dropped[20:]) == ("Y  24", "F   5", ["and 5 more"])
    assert section_lines(output, "Source files")[19:] == ["19.json  19 bytes  AAAAAA==", "and 1 more"]


def test_dataset_without_whole_reviews_has_no_lengths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_dataset(tmp_path / "d", *make_dataset([("train", "{aaba")]))
    lines = section_lines(run_describe(capsys, folder, "--html", tmp_path / "x.html"), "Review lengths in characters")
    assert lines == ["of 0 whole reviews out of 3; 1 cut at a shard's end left out"]
    assert (tmp_path / "x.html").read_bytes().count(b"<img") == 2


def test_existing_page_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.html").write_text("old")
    run_describe(capsys, write_dataset(tmp_path / "d", *small_dataset()), "--html", tmp_path / "x.html")
    assert b"<img" in (tmp_path / "x.html").read_bytes()


def test_dataset_in_cloud_storage_is_described_as_in_a_local_folder(
    dataset: Path, capsys: pytest.CaptureFixture[str], store: str
) -> None:
    bucket = open_bucket(f"{store}/dataset")
    for path in dataset.iterdir():
        bucket.upload(path, path.name)
    assert run_describe(capsys, f"{store}/dataset") == run_describe(capsys, dataset)
    paths = list(open_dataset(f"{store}/dataset").map_shards(lambda _, path: path))
    assert not any(path.exists() for path in paths)  # the shards' copies are deleted


def test_folder_without_dataset_is_refused_and_no_page_is_written(tmp_path: Path) -> None:
    expected = f"dataset={tmp_path}/no: no manifest.json: not a dataset, or one that was not finished: "
    assert error_of(tmp_path / "no", "--html", tmp_path / "x.html").startswith(expected)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damaged", [b"", b"\0"])
def test_damaged_shard_is_named_and_the_page_is_unchanged(damaged: bytes, tmp_path: Path) -> None:
    dataset, data = small_dataset()
    folder = write_dataset(tmp_path / "d", dataset, [data[0], data[1][:-1] + damaged])
    (tmp_path / "x.html").write_text("old")
    message = error_of(folder, "--html", tmp_path / "x.html")
    assert message.startswith(f"{folder}/validation-1.tfrecord: ")
    assert message.endswith("altered")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "x.html"]
    assert (tmp_path / "x.html").read_text() == "old"


def test_windows_with_gaps_are_refused(tmp_path: Path) -> None:
    dataset, data = make_dataset([("train", "{ab}{ab}{ab}")], window=2, stride=3)
    folder = write_dataset(tmp_path / "d", dataset, data)
    assert error_of(folder).startswith(f"dataset={folder}: stride_chars=3, expected at most window_chars=2: ")


@pytest.mark.parametrize("page", [".", "file/x.html", "n" * 300])
def test_page_that_cannot_be_written_is_refused_before_the_work(page: str, tmp_path: Path) -> None:
    dataset, data = small_dataset()
    folder = write_dataset(tmp_path / "d", dataset, [data[0], b"damaged"])
    (tmp_path / "file").write_text("in the way")
    message = error_of(folder, "--html", tmp_path / page)
    assert str(tmp_path / page) in message
    assert "a folder, expected a file" in message or "cannot be written: " in message
    assert "damaged" not in message


def test_page_may_be_an_object_of_a_bucket(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_dataset(tmp_path / "d", *small_dataset())
    run_describe(capsys, folder, "--html", f"{store}/pages/x.html")
    assert open_bucket(store).names() == ["pages/x.html"]
    assert b"<img" in open_bucket(store).read("pages/x.html")


def test_page_must_be_a_file_of_a_known_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_dataset(tmp_path / "d", *small_dataset())
    monkeypatch.chdir(tmp_path)
    assert error_of(folder, "--html", "s3://b/x.html") == "'s3://b': expected a local path or gs://bucket/path"
    assert error_of(folder, "--html", "") == "'': a folder, expected a file"
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def command(*arguments: object, before: str = "", after: str = "") -> tuple[int, str, str]:
    """Run the command in a process, with a line of Python before and after. Return exit code, output and errors."""
    imports = "from jobs import describe\nfrom jobs.cli import command"
    line = f"import sys; {before}\n{imports}\ncommand.run(describe.main)\n{after}"
    process = subprocess.run(
        [sys.executable, "-c", line, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
    )
    return process.returncode, process.stdout, process.stderr


def test_user_s_mistake_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    code, out, errors = command(tmp_path)
    assert (code, out, errors.count("\n")) == (2, "", 1)
    assert f"dataset={tmp_path}: no manifest.json" in errors


def test_matplotlib_is_imported_only_for_a_page(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "d", *small_dataset())
    assert command(folder, after="assert 'matplotlib' not in sys.modules") == (0, DESCRIBED, "")
    code, out, errors = command(folder, "--html", tmp_path / "x.html", before="sys.modules['matplotlib'] = None")
    assert (code, out) == (2, "")
    assert errors.endswith(": needs matplotlib, which is not installed: it is in the extra `describe`\n")
    assert not (tmp_path / "x.html").exists()
