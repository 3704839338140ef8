"""The commands in the documentation, run in order after `make demo` on a few reviews."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# A code block holds commands if its first line after comments starts with one of these words.
# Every other code block shows a folder tree or a file.
FIRST = re.compile(r"(make|python|export|echo|printf|kubectl|gcloud|docker|\.venv/bin/\w+)\b")
# Commands for a cluster or a cloud do nothing here. make is a dry run, because many targets take long.
FUNCTIONS = f"""
set -e
gcloud() {{ :; }}; kubectl() {{ :; }}; docker() {{ :; }}; kind() {{ :; }}
make() {{ command make --directory {shlex.quote(str(ROOT))} --dry-run "$@" > make.txt; }}
"""
PLACES = {
    "jobs.demo_reviews --set output=URL": "jobs.demo_reviews --set output=demo/more.jsonl",
    "input=URL": "input=demo/reviews.jsonl",
    "output=URL": "output=demo/made",
    "dataset=URL": "dataset=demo/dataset",
    "runs=URL": "runs=demo/runs",
    "reviews=URL": "reviews=demo/reviews.jsonl",
    "bucket=URL": "bucket=demo",
    "--to URL": "--to demo/export",
    "RUN DETECTOR": "demo/runs/demo demo/detector.json --count 20",
    "DATASET": "demo/dataset",
    "RUN": "demo/runs/demo",
    "OTHER": "demo/runs/made",
    "REVIEWS": "demo/reviews.jsonl",
    "--to DETECTOR": "--to demo/detector.json --lengths 100 200 --count 20",
    "MODELS": "demo/models",
    "TEXT": "'the food'",
    "FILE": "demo/made.html",
    "NAME": "made",
    "gs://PROJECT-reviews/runs/train": "demo/runs/demo",
    "gs://PROJECT-reviews": "demo",
    "gs://BUCKET/runs/train": "demo/runs/demo",
    "gs://BUCKET": "demo",
    "BUCKET": "demo",
}
# A short configuration, because these tests check only that each training command starts and ends.
SHORT = "--set epochs=1 --set model.lstm_units=[8] --set batch_windows=16 --set sample.chars=20"


def blocks(text: str) -> Iterator[list[str]]:
    """Yield the lines of each block of commands in a document, and each command in a sentence or a table.

    A Python block becomes a command too. Its interpreter is isolated from this project.
    """
    for token in MarkdownIt().enable("table").parse(text):
        if token.type == "fence" and token.info == "python":
            yield [f"python -I -c {shlex.quote(token.content)}"]
        if token.type == "code_block" or (token.type == "fence" and token.info in ("", "sh")):
            lines = token.content.splitlines()
            if FIRST.match(next(line for line in lines if line and not line.startswith("#"))):
                yield lines
        for child in token.children or ():
            if child.type == "code_inline" and (found := re.match(r"(\.venv/bin/)?python -m jobs\..*", child.content)):
                yield [re.sub(r" *\[[^]]*\]", "", found[0])]


def script(lines: list[str]) -> str:
    """Return the bash script that runs the commands of a block."""
    text = "\n".join(lines).replace("\\\n", "")
    for name, place in PLACES.items():
        text = re.sub(rf"(?<![\w-]){re.escape(name)}(?!\w)", place, text)
    text = re.sub(r"^(.*jobs\.train .*?)( &)?$", rf"\1 {SHORT}\2", text, flags=re.M)
    # TensorBoard serves until it is killed: `timeout` ends it with 124.
    text = re.sub(r"^(.*/tensorboard .*)$", r"timeout 5 \1 || [ $? = 124 ]", text, flags=re.M)
    text = re.sub(r"^(.*--rollback)$", r"\1 || [ $? = 2 ]", text, flags=re.M)  # exit code 2: nothing to roll back
    # test_runners.py tests Beam's other runners, because each needs a worker or a service.
    text = "\n".join(line for line in text.split("\n") if "--runner=" not in line and "worker_pool_main" not in line)
    return f"{FUNCTIONS}\n{text}\nwait\n"


@pytest.fixture(scope="module")
def reader(reviews_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the folder of a reader who has run `make demo`."""
    if not (ROOT / ".venv/installed").exists():
        pytest.skip("needs the .venv that make test makes")
    folder = tmp_path_factory.mktemp("reader")
    for path in ROOT.iterdir():
        if path.name not in ("demo", ".git"):
            (folder / path.name).symlink_to(path)
    (folder / "demo").mkdir()
    shutil.copy(reviews_file, folder / "demo")
    texts = [json.loads(line)["text"] for line in reviews_file.read_text().splitlines()]
    (folder / "yelp_100_3.txt").write_text("".join(f"{{{text}}}" for text in texts[:60]))
    subprocess.run(["make", "--directory", ROOT, "demo", f"DEMO={folder}/demo"], check=True, env=environment())
    return folder


def environment() -> dict[str, str]:
    """Return the environment variables, with the `python` of .venv first in PATH."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TF_CPP_MIN_LOG_LEVEL": "2"}


def test_the_blocks_of_a_document_are_its_commands() -> None:
    text = "A\n\n    # b\n    python -m a \\\n        b\n\n    make x\n\n- `python -m jobs.c [d] e`\n\n```\ntree\n```\n"
    assert list(blocks(text)) == [
        ["# b", "python -m a \\", "    b", "", "make x"],
        ["python -m jobs.c e"],
    ]


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_each_command_of_a_document_can_be_typed(document: Path, reader: Path) -> None:
    found = list(blocks(document.read_text()))
    for number, lines in enumerate(found, start=1):
        print(f"{document.name}, {number} of {len(found)}: {lines[0]}")
        done = subprocess.run(
            ["bash", "-c", script(lines)],
            cwd=reader,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
            env=environment(),
        )
        assert done.returncode == 0, f"{script(lines)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
