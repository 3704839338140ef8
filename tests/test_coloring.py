import numpy as np

from jobs.coloring import for_page, for_terminal
from trainer.scores import Scores

SCORES = Scores(np.ones(5, np.float32), np.array([1, 1, 3, 10, 11], np.int32), np.ones(5, np.float32))


def test_each_character_has_its_rank_s_colour_on_a_terminal() -> None:
    green, yellow, red, purple = (f"\033[{code}m" for code in (32, 33, 31, 35))
    end = "\033[0m"
    assert for_terminal("soup.", SCORES) == f"{green}so{end}{yellow}u{end}{red}p{end}{purple}.{end}"


def test_a_text_stays_a_text_on_a_page() -> None:
    found = for_page("<&u>}", SCORES)
    assert "&lt;&amp;</span>" in found
    assert found.count("<span") == 4
