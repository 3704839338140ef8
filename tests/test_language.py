"""The first rule of this project's English, checked for each docstring.

A function's docstring starts with an imperative verb. A module's, class's or property's docstring names the thing.
No docstring starts with a word that makes sense only after the signature.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("benchmarks", "jobs", "preprocessing", "tests", "trainer")
SOURCE = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))] + [ROOT / "setup.py"]
VAGUE = ("What", "How", "Where", "Which", "Whether", "Of", "That", "Those", "The same", "One", "It")
VERB_LIST = """
    Accept Add Aggregate Align Allow Answer Append Apply Ask Assign Await Begin Block Bring Broadcast Build Cache Call
    Catch Check Choose Clean Clear Close Collect Color Combine Commit Compare Complete Compute Concatenate Connect
    Continue Convert Copy Count Create Cut Decide Decode Delete Describe Detect Discard Download Draw Drop Encode End
    Enter Escape Estimate Evaluate Evict Exit Expand Export Expose Extend Extract Fail Fetch Fill Filter Find Finish
    Fit Flush Fold Follow Format Forward Generate Give Group Guess Handle Hash Hide Ignore Import Index Infer
    Initialize Iterate Join Keep Kill Leave Let List Load Lock Log Look Make Map Mark Mask Match Measure Merge Mix
    Mount Move Name Normalize Note Open Order Pack Pad Parse Pass Pick Plan Plot Poll Prepare Preprocess Print Promote
    Publish Put Raise Rank Read Record Recover Reduce Refuse Register Reject Release Remember Remove Rename Render
    Repeat Replace Replay Report Request Require Reset Resolve Restore Resume Retrain Retry Return Roll Round Run
    Sample Save Scale Schedule Score Search Seed Select Send Serve Set Show Shuffle Simulate Sink Skip Sleep Snapshot
    Sort Split Stage Start Stop Store Stream Subtract Sum Summarize Sweep Sync Take Tell Terminate Test Tokenize Train
    Translate Trim Truncate Try Undo Unpack Update Upload Use Validate Verify Wait Warn Watch Wrap Write Yield
"""
VERBS = frozenset(VERB_LIST.split())
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def docstrings(source: str) -> Iterator[tuple[ast.AST, int, str]]:
    """Yield (node, line, docstring) of a module and of each class and function in the module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)):
            text = ast.get_docstring(node)
            if text:
                yield node, getattr(node, "lineno", 1), text


def is_property(node: ast.AST) -> bool:
    """Return whether a function is a property. A property's docstring names the value."""
    names = [ast.unparse(decorator) for decorator in getattr(node, "decorator_list", [])]
    return any(name.endswith("property") for name in names)


def faults(source: str) -> list[str]:
    """List each docstring that breaks the rule, with its line number."""
    messages = []
    for node, line, text in docstrings(source):
        first = re.split(r"\W", text, maxsplit=1)[0]
        if re.match(rf"(?:{'|'.join(VAGUE)})\b", text):
            messages.append(f"line {line}: starts with a vague word: {text.splitlines()[0]}")
        elif isinstance(node, FUNCTIONS) and not is_property(node) and first not in VERBS:
            messages.append(f"line {line}: does not start with a verb: {text.splitlines()[0]}")
    return messages


@pytest.mark.parametrize("path", SOURCE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_docstring_starts_with_a_verb_or_names_the_thing(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('"""Things."""\ndef f():\n    """Return a thing."""\n', 0),
        ('"""What things are."""\n', 1),
        ('def f():\n    """The thing."""\n', 1),
        ('class A:\n    """The same."""\n    def f(self):\n        """Returns it."""\n', 2),
        ('class A:\n    """A thing."""\n    @property\n    def f(self):\n        """Steps done."""\n', 0),
    ],
)
def test_the_rule_is_seen_to_be_broken(source: str, count: int) -> None:
    assert len(faults(source)) == count
