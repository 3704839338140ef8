"""Texts in the colours of their ranks."""

import re

import numpy as np

from jobs.terminal.ranks import for_page, for_terminal
from trainer.scoring.scores import Scores

SCORES = Scores(np.ones(5, np.float32), np.array([1, 1, 3, 10, 11], np.int32), np.ones(5, np.float32))


def test_each_character_has_its_rank_s_colour_on_a_terminal() -> None:
    green, yellow, red, purple = (f"\033[{code}m" for code in (32, 33, 31, 35))
    end = "\033[0m"
    assert for_terminal("soup.", SCORES) == f"{green}so{end}{yellow}u{end}{red}p{end}{purple}.{end}"


def test_a_text_stays_a_text_on_a_page() -> None:
    found = for_page("<&u>}", SCORES)
    assert "&lt;&amp;</span>" in found
    assert found.count("<span") == 4


def test_on_a_terminal_a_text_commands_nothing_and_is_all_there() -> None:
    text = "a\\b\n\u0915\u093f \x1b[2J\r\x9b"
    ones = np.ones(len(text), np.float32)
    found = for_terminal(text, Scores(ones, np.arange(1, len(text) + 1, dtype=np.int32), ones))
    assert re.sub(r"\x1b\[(3\d|0)m", "", found) == "a\\b\n\u0915\u093f \\x1b[2J\\r\\x9b"
