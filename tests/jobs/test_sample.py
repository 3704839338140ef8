"""The command jobs.sample on a small run: output, files and refused options."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from jobs import sample
from preprocessing.errors import InputError
from preprocessing.storage.urls import open_bucket
from trainer.runs.folder import open_run

Lines = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def lines(small_run: Path, capsys: pytest.CaptureFixture[str]) -> Lines:
    """Return a function that runs the command with --json, and returns the printed objects."""

    def run(*arguments: object) -> list[dict[str, Any]]:
        capsys.readouterr()
        sample.main([str(small_run), "--json", *map(str, arguments)])
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def texts(found: list[dict[str, Any]]) -> list[str]:
    return [line["text"] for line in found]


def process(run: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "jobs.sample", str(run), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def stream(file: IO[bytes] | None) -> IO[bytes]:
    assert file
    return file


def test_same_seed_gives_the_same_text_and_another_seed_another_text(lines: Lines) -> None:
    one, again, other = (texts(lines("--chars", 40, "--count", 2, "--seed", seed)) for seed in (1, 1, 2))
    assert one == again != other
    assert [len(text) for text in one] == [40, 40]
    assert one[0] != one[1]


def test_json_line_has_all_that_reproduces_the_sample(lines: Lines) -> None:
    [*_, last] = lines("--chars", 9, "--count", 3, "--seed", 5, "--diversity", 0.75, "--prompt", "The")
    own = {"number": 2, "prompt": "the", "diversity": 0.75, "seed": 5, "ended": "length"}
    assert last == own | {"text": last["text"]}
    assert len(last["text"]) == 9


def test_sample_does_not_depend_on_the_count(lines: Lines) -> None:
    many = texts(lines("--chars", 30, "--count", 19))
    assert texts(lines("--chars", 30, "--count", 9)) == many[:9]
    assert texts(lines("--chars", 30)) == many[:1]


def test_until_ends_a_sample_after_the_text_and_stop_before_it(lines: Lines) -> None:
    asked = ["--chars", 60, "--count", 19, "--diversity", 1]
    whole = texts(lines(*asked))
    for flag, kept in (("--until", 2), ("--stop", 0)):
        found = lines(*asked, flag, "e ")
        assert {line["ended"] for line in found} == {"stop", "length"}
        for text, line in zip(whole, found, strict=True):
            end = text.find("e ")
            assert line["text"] == (text if end < 0 else text[: end + kept])
            assert line["ended"] == ("length" if end < 0 else "stop")


def test_first_stop_text_that_is_reached_ends_the_sample(lines: Lines) -> None:
    [whole] = texts(lines("--chars", 60))
    [found] = texts(lines("--chars", 60, "--stop", whole[30:34], "--until", whole[10:12], "--stop", whole[20:22]))
    assert found == whole[: min(whole.find(whole[10:12]) + 2, whole.find(whole[20:22]), whole.find(whole[30:34]))]


def test_streamed_sample_follows_its_prompt_and_equals_the_json(
    small_run: Path, lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ([], ["--stop", "zzz"], ["--stop", "e"]):
        [found] = lines("--chars", 40, *more)
        sample.main([str(small_run), "--chars", "40", *more])
        assert capsys.readouterr().out == f"{{{found['text']}\n"


def test_several_samples_are_printed_in_order(
    small_run: Path, lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    found = texts(lines("--chars", 20, "--count", 10))
    sample.main([str(small_run), "--chars", "20", "--count", "10"])
    assert capsys.readouterr().out == "".join(f"{{{text}\n" for text in found)


def test_characters_are_streamed_and_ctrl_c_ends_the_command(small_run: Path) -> None:
    running = process(small_run, "--chars", "1000000")
    assert len(stream(running.stdout).read(60)) == 60
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=300)
    assert running.returncode == 143
    assert b"Traceback" not in errors


def test_truncation_to_one_symbol_is_argmax_at_any_diversity(lines: Lines) -> None:
    [greedy] = texts(lines("--diversity", 0, "--chars", 30))
    assert texts(lines("--diversity", 2, "--top-k", 1, "--chars", 30)) == [greedy]
    assert texts(lines("--diversity", 2, "--top-p", 1e-9, "--chars", 30)) == [greedy]
    assert texts(lines("--diversity", 2, "--top-k", 99, "--top-p", 1, "--chars", 30)) != [greedy]


def test_unknown_symbols_of_a_prompt_are_left_out_with_a_note_or_refused(
    small_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample.main([str(small_run), "--chars", "5", "--prompt", "Go\N{SNOWMAN}od"])
    out, err = capsys.readouterr()
    assert out.startswith("good")
    assert "prompt: left out '\N{SNOWMAN}', not in the vocabulary\n" in err
    with pytest.raises(
        InputError, match="--prompt: would leave out '\N{SNOWMAN}', not in .*: change it, or go without"
    ):
        sample.main([str(small_run), "--strict", "--prompt", "Go\N{SNOWMAN}od"])
    with pytest.raises(InputError, match="no symbol of the vocabulary"):
        sample.main([str(small_run), "--prompt", "\N{SNOWMAN}"])
    with pytest.raises(InputError, match="--prompt 'a.udcff': not text"):
        sample.main([str(small_run), "--prompt", "a\udcff"])


TOO_SMALL = (("chars", 0), ("count", 0), ("seed", -1), ("diversity", -1), ("diversity", "nan"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        *((f"--{name}={value}", f"--{name}: {value}: expected greater than") for name, value in TOO_SMALL),
        ("--top-k=-1", "--top-k: -1: expected greater than or equal to 0"),
        *((f"--top-p={value}", f"--top-p: {value}: expected") for value in ("0", "1.1", "nan")),
        ("--seed=2147483648", "--seed: 2147483648: expected less than 2147483648"),
        ("--chars=1000001", "--chars: 1000001: expected less than or equal to 1000000"),
        ("--stop=", "--stop '': expected a text"),
        ("--until=\N{SNOWMAN}", "--until '\N{SNOWMAN}': '\N{SNOWMAN}', not in the vocabulary: never generated"),
        ("--prompt=a --prompt-file=b", "not allowed with"),
        ("--interactive --count=2", "--interactive: cannot be used with --count"),
        ("--interactive --prompt-file=-", "--interactive: cannot be used with --prompt-file -"),
        ("--output=folder/", "folder/: a folder, expected a file"),
    ],
)
def test_wrong_option_is_refused(small_run: Path, flags: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sample.main([str(small_run), *flags.split()])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty, expected the text to continue"),
        (b"\n", "empty, expected"),
        (b"a\0b", "binary: character 1 is NUL"),
        (b"ab\xff\xfe", "not text in UTF-8: byte 2 is 0xff"),
    ],
)
def test_file_or_standard_input_without_a_prompt_is_refused(
    small_run: Path, tmp_path: Path, data: bytes, message: str
) -> None:
    (tmp_path / "prompt.txt").write_bytes(data)
    with pytest.raises(InputError, match=f"{tmp_path}/prompt.txt: {message}"):
        sample.main([str(small_run), "--prompt-file", str(tmp_path / "prompt.txt")])
    piped = process(small_run, "--prompt-file", "-")
    _, errors = piped.communicate(data, timeout=300)
    assert piped.returncode == 2
    assert errors.decode().startswith(f"sample: standard input: {message}")
    assert errors.count(b"\n") == 1


def test_prompt_file_is_one_prompt_without_its_last_newline(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompt.txt").write_bytes(b"\xef\xbb\xbfGood\nfood\r\n")
    sample.main([str(small_run), "--prompt-file", str(tmp_path / "prompt.txt"), "--chars", "5", "--json"])
    assert json.loads(capsys.readouterr().out)["prompt"] == "good\nfood"
    with pytest.raises(InputError, match="--prompt-file .*/no.txt: no such file"):
        sample.main([str(small_run), "--prompt-file", str(tmp_path / "no.txt")])


def test_output_has_the_same_lines_on_disk_and_in_a_bucket(
    small_run: Path, lines: Lines, tmp_path: Path, store: str
) -> None:
    asked = ["--chars", 40, "--count", 20, "--stop", "e"]
    expected = lines(*asked)
    for folder in (str(tmp_path), f"{store}/batch"):
        sample.main([str(small_run), *map(str, asked), "--output", f"{folder}/reviews.jsonl"])
        data = open_bucket(folder).read("reviews.jsonl")
        assert [json.loads(line) for line in data.splitlines()] == expected


def test_run_trained_on_gpus_in_float16_is_sampled_on_a_cpu(small_run: Path, tmp_path: Path) -> None:
    shutil.copytree(small_run, tmp_path / "run")
    config = tmp_path / "run/config.yaml"
    config.write_text(config.read_text().replace("precision: float32", "precision: mixed_float16"))
    assert open_run(str(tmp_path / "run")).config.precision == "mixed_float16"
    found = []
    for precision in ("mixed_float16", "auto"):
        config.write_text(config.read_text().replace("precision: mixed_float16", f"precision: {precision}"))
        sample.main([str(tmp_path / "run"), "--chars", "30", "--output", str(tmp_path / "out.jsonl")])
        found.append((tmp_path / "out.jsonl").read_text())
    assert found[0] == found[1]


def test_interactive_continues_each_line_from_all_text_before_it(small_run: Path, lines: Lines) -> None:
    running = process(small_run, "--interactive", "--chars", "30")
    out, errors = running.communicate(b"The food\n\nand\n", timeout=300)
    assert running.returncode == 0, errors
    first, second, third, end = out.decode().split("\n")
    assert [len(text) for text in (first, second, third)] == [30, 30, 30]
    assert end == ""
    assert [first] == texts(lines("--chars", 30, "--prompt", "{the food"))


def test_ctrl_c_ends_the_model_s_turn_and_the_conversation_continues(small_run: Path) -> None:
    running = process(small_run, "--interactive", "--chars", "1000000")
    for said in (b"the food\n", b"and then\n"):
        stream(running.stdin).write(said)
        stream(running.stdin).flush()
        assert len(stream(running.stdout).read(30)) == 30
        running.send_signal(signal.SIGINT)
        stream(running.stdout).readline()
    out, errors = running.communicate(timeout=300)
    assert (running.returncode, out) == (0, b""), errors


def test_terminal_reports_a_refused_line_and_ctrl_d_ends_the_command(small_run: Path) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "jobs.sample", str(small_run), "--interactive", "--strict", "--chars", "5"]
    running = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    told = b""
    for typed in ("\N{SNOWMAN}\n".encode(), b"the food\n", b"\x04"):
        while not told.endswith(b"> "):
            told += os.read(ours, 100)
        told = b""
        os.write(ours, typed)
    _, errors = running.communicate(timeout=300)
    os.close(ours)
    assert running.returncode == 0, errors
    assert "--interactive: would leave out '\N{SNOWMAN}'".encode() in errors


def test_piped_line_that_is_no_text_ends_the_command(small_run: Path) -> None:
    running = process(small_run, "--interactive", "--chars", "5")
    _, errors = running.communicate(b"food\n\xff\n", timeout=300)
    assert running.returncode == 2
    assert b"sample: standard input, line 2: not text in UTF-8: byte 0 is 0xff" in errors
