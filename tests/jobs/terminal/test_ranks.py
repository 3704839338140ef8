import re

import numpy as np

from jobs.terminal.ranks import color_by_rank
from trainer.scoring.scores import Scores

SCORES = Scores(np.ones(5, np.float32), np.array([1, 1, 3, 10, 11], np.int32), np.ones(5, np.float32))


def test_each_character_has_the_color_of_its_rank() -> None:
    green, yellow, red, purple = (f"\033[{code}m" for code in (32, 33, 31, 35))
    end = "\033[0m"
    assert color_by_rank("soup.", SCORES) == f"{green}so{end}{yellow}u{end}{red}p{end}{purple}.{end}"


def test_escape_sequences_in_a_text_are_escaped_and_all_of_it_is_shown() -> None:
    text = "a\\b\n\u0915\u093f \x1b[2J\r\x9b"
    ones = np.ones(len(text), np.float32)
    colored = color_by_rank(text, Scores(ones, np.arange(1, len(text) + 1, dtype=np.int32), ones))
    assert re.sub(r"\x1b\[(3\d|0)m", "", colored) == "a\\b\n\u0915\u093f \\x1b[2J\\r\\x9b"
