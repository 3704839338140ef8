import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from jobs import score
from preprocessing.errors import InputError
from tests.support.inputs import gzipped, json_line, reviews, zipped
from trainer.runs.folder import open_run
from trainer.scoring.scored_reviews import LINES_AT_ONCE, TextCodec
from trainer.scoring.scores import RANK_NAMES

TEXT = "Good soup, and a good Table!"


@pytest.fixture
def run(small_run: Path) -> str:
    return str(small_run)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def scores(run: str, tmp_path: Path, stdin: bytes, *options: str) -> list[dict[str, Any]]:
    """Return the lines that the command writes for this standard input."""
    output = tmp_path / "scores.jsonl"
    score.main([run, "-", "--output", str(output), *options], stdin=io.BytesIO(stdin))
    return lines_of(output)


def test_review_is_scored_as_in_training(run: str, tmp_path: Path) -> None:
    (found,) = scores(run, tmp_path, json_line("Soup {hot} — Good", review_id="r1"), "--per-char")
    assert (found["id"], found["line"], found["dropped"]) == ("r1", 1, 3)
    assert found["text"] == "soup hot  good}"
    assert found["chars"] == len(found["text"]) == len(found["bits"]) == len(found["rank"])


def test_bits_of_characters_add_up_to_the_text_and_shares_of_ranks_to_one(run: str, tmp_path: Path) -> None:
    for found in scores(run, tmp_path, b"".join(reviews(5)), "--per-char"):
        assert sum(found["bits"]) / found["chars"] == pytest.approx(found["bits_per_char"], abs=2e-4)
        assert sum(found["ranks"].values()) == pytest.approx(1, abs=4e-4)
        assert list(found["ranks"]) == list(RANK_NAMES)
        assert found["ranks"]["1"] == pytest.approx(found["rank"].count(1) / found["chars"], abs=1e-4)


def csv_of(*rows: tuple[str, str]) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows([("review_id", "text"), *rows])
    return file.getvalue().encode()


@pytest.mark.parametrize(
    "given",
    [
        json_line(TEXT),
        json.dumps({"of-a.key": 1, "text": TEXT}).encode(),
        TEXT.encode(),
        f"\ufeff\n {TEXT}\n".encode(),
        f"{{{TEXT}}}".encode(),
        csv_of(("", TEXT)),
        gzipped(json_line(TEXT)),
        gzipped(TEXT.encode()),
        zipped({"a_review.json": json_line(TEXT)}),
    ],
    ids=[
        "JSON lines",
        "JSON with another key first",
        "text",
        "text with a mark",
        "braces",
        "CSV",
        "gzip",
        "text in gzip",
        "zip",
    ],
)
def test_review_gets_the_same_scores_in_every_file_format(run: str, tmp_path: Path, given: bytes) -> None:
    (expected,) = scores(run, tmp_path, json_line(TEXT))
    (found,) = scores(run, tmp_path, given)
    place = ("source", "line")
    assert {key: found[key] for key in found if key not in place} == {
        key: expected[key] for key in expected if key not in place
    }


@pytest.mark.parametrize("given", [b"key\tbody\nk1\tGood soup.\n", b'{"key": "k1", "body": "Good soup."}\n'])
def test_columns_of_other_names_are_scored_if_they_are_named(run: str, tmp_path: Path, given: bytes) -> None:
    (found,) = scores(run, tmp_path, given, "--text-column", "body", "--id-column", "key")
    (expected,) = scores(run, tmp_path, json_line("Good soup.", review_id="k1"))
    assert (found["id"], found["bits_per_char"]) == ("k1", expected["bits_per_char"])


def test_each_line_of_a_file_becomes_one_line_in_the_same_order(run: str, tmp_path: Path) -> None:
    many = [*reviews(LINES_AT_ONCE + 3), b"no JSON\n", json_line("\N{SNOWMAN}", review_id="snow")]
    found = scores(run, tmp_path, b"".join(many))
    assert [line["line"] for line in found] == list(range(1, len(many) + 1))
    assert [line["id"] for line in found[: len(many) - 2]] == [json.loads(line)["review_id"] for line in many[:-2]]
    assert [line.get("error") for line in found[-3:]] == [None, "not JSON", "no symbol of the vocabulary"]


@pytest.mark.parametrize("options", [[], ["--runner=FnApiRunner"]], ids=["here", "Beam"])
def test_id_with_a_lone_surrogate_is_written_unchanged(run: str, tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "a.jsonl").write_bytes(json_line(TEXT, review_id="\ud800"))
    score.main([run, str(tmp_path / "a.jsonl"), "--output", str(tmp_path / "out"), *options])
    (lines,) = tmp_path.glob("out/scores-*" if options else "out")
    assert lines_of(lines)[0]["id"] == "\ud800"


def test_files_are_scored_by_path_and_glob_to_standard_output(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"".join(reviews(2)))
    (tmp_path / "b.txt").write_text("{one}{two}")
    (tmp_path / "c.jsonl").write_bytes(b"".join(reviews(1, first=7)))
    score.main([run, str(tmp_path / "*.jsonl"), str(tmp_path / "b.txt")])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["source"] for line in found] == ["a.jsonl", "a.jsonl", "b.txt", "b.txt", "c.jsonl"]


def test_reviews_and_scores_may_be_in_cloud_storage(run: str, store: str) -> None:
    from preprocessing.storage.urls import open_bucket

    bucket = open_bucket(store)
    bucket.write("in/a.jsonl", b"".join(reviews(3)))
    score.main([run, f"{store}/in/*.jsonl", "--output", f"{store}/out/scores.jsonl"])
    assert len(bucket.read("out/scores.jsonl").splitlines()) == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (b"", "-: stdin is empty: pipe reviews into it, or name a file"),
        (b"\x7fELF\0\0\x01", "stdin.txt: binary, expected text, JSON lines or CSV"),
        (b"soup \xff", "stdin.txt: not UTF-8 at byte 5"),
        (b"\x1f\x8bgarbage", "stdin.txt.gz: damaged or truncated"),
        ("\N{SNOWMAN}".encode(), "-: no review can be scored: 1 not scored: no symbol of the vocabulary"),
        (b" \n ", "-: no review can be scored: 1 not scored: text is empty"),
        (b'{"text": 5}\n{"text": 6}\n', "-: no review can be scored: 2 not scored: text is not a string"),
        (b'[{"body": "soup"}]', "-: no review can be scored: 1 not scored: no text"),
        (
            b"Review\tLiked\nSoup, good\t1\nTea, cold\t0\n",
            "-: a tab-separated table with the columns Review, Liked: expected a column text",
        ),
        (b"id,stars\n1,5\n2,4\n", "-: a comma-separated table with the columns id, stars: expected"),
        (b"x" * 10_000_000, "-: no review can be scored: 1 not scored: over 1000000 bytes"),
    ],
    ids=[
        "empty",
        "binary",
        "not UTF-8",
        "damaged",
        "unknown",
        "blank",
        "no text",
        "list",
        "TSV",
        "no text column",
        "10 MB",
    ],
)
def test_input_without_any_review_is_refused(run: str, tmp_path: Path, given: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        scores(run, tmp_path, given)
    assert not (tmp_path / "scores.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["/nowhere/reviews.jsonl"], "no such file"),
        (["--detector", "/nowhere/detector.json"], "no such file: jobs.detect train RUN --to /nowhere/detector.json"),
        (["--ouput", "x"], "--ouput: unknown: did you mean --output"),
        (["--per_char"], "--per_char: unknown: did you mean --per-char"),
        (["--color"], "--color: stdout is no terminal: use --html FILE"),
        (["--runner=FnApiRunner"], "--runner=FnApiRunner: with a Beam option name the reviews by URL"),
        (["a.jsonl", "--output", "scores", "--runner=X", "--color"], "stdout is no terminal"),
        (["a.jsonl", "--output", "scores", "--runner=X", "--html", "a"], "not with Beam options"),
        (["a.jsonl", "--runner", "FnApiRunner", "x"], "with a Beam option|unknown argument"),
    ],
)
def test_wrong_arguments_are_refused(run: str, options: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        score.main([run, *options])


@pytest.mark.parametrize("option", ["--output", "--html"])
def test_output_that_cannot_be_written_is_refused_before_scoring(
    run: str, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jsonl").write_bytes(json_line(TEXT))
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "folder", tmp_path / "a.jsonl/below"):
        with pytest.raises(InputError, match=f"{place}: cannot be written: (Is a directory|File exists)"):
            score.main([run, str(tmp_path / "a.jsonl"), option, str(place)])
    assert capsys.readouterr().out == ""


def test_page_shows_each_text_colored_by_rank(run: str, tmp_path: Path) -> None:
    (found,) = scores(run, tmp_path, json_line("<b>soup</b>"), "--html", str(tmp_path / "page.html"), "--per-char")
    page = (tmp_path / "page.html").read_text()
    assert "<b>" not in page
    colors = page.count('<span class="rank')
    assert 1 <= colors <= found["chars"]
    assert "green: choice 1, yellow: choice 2-3, red: choice 4-10, purple: choice 11+" in page


def beam(run: str, folder: Path, *options: str) -> list[dict[str, Any]]:
    (folder / "a.jsonl").write_bytes(b"".join([*reviews(40), b"no JSON\n", json_line("\N{SNOWMAN}", review_id="s")]))
    (folder / "b.txt").write_text("{one soup}{two soups}")
    score.main([run, str(folder / "a.jsonl"), str(folder / "b.txt"), "--output", str(folder / "out"), *options])
    assert json.loads((folder / "out" / "summary.json").read_text()) == {
        "scored": 42,
        "not JSON": 1,
        "no symbol of the vocabulary": 1,
    }
    return [line for path in sorted((folder / "out").glob("scores-*.jsonl")) for line in lines_of(path)]


def test_beam_writes_the_same_lines_as_the_command(run: str, tmp_path: Path) -> None:
    found = beam(run, tmp_path, "--runner=FnApiRunner", "--per-char")
    here = tmp_path / "here.jsonl"
    score.main([run, str(tmp_path / "a.jsonl"), str(tmp_path / "b.txt"), "--per-char", "--output", str(here)])

    def place(line: dict[str, Any]) -> tuple[str, int]:
        return line["source"], line["line"]

    assert sorted(found, key=place) == lines_of(here)
    with pytest.raises(InputError, match="has scores already: name another folder"):
        beam(run, tmp_path, "--runner=FnApiRunner")


def test_option_unknown_to_beam_is_refused(run: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown option --runer: expected --set key=value or an option of Beam's"):
        beam(run, tmp_path, "--runer=FnApiRunner")


def test_damaged_file_is_reported_by_beam_s_workers(run: str, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl.gz").write_bytes(gzipped(b"".join(reviews(50)))[:-20])
    with pytest.raises(InputError, match=r"bad.jsonl.gz: damaged or truncated"):
        score.main([run, str(tmp_path / "bad.jsonl.gz"), "--output", str(tmp_path / "out"), "--runner=FnApiRunner"])


def test_run_without_a_checkpoint_is_refused_before_beam_starts(run: str, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "checkpoint.json").unlink()
    for options in ([], ["--runner=FnApiRunner"]):
        with pytest.raises(InputError, match="no checkpoint.json"):
            beam(str(copy), tmp_path, *options)


def test_codec_encodes_as_the_dataset_and_decodes(run: str) -> None:
    ids, dropped = TextCodec(open_run(run).manifest).encode("Soup\N{SNOWMAN}")
    assert TextCodec(open_run(run).manifest).decode(ids) == "{soup}"
    assert dropped == 1
