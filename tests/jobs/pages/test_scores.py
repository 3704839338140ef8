from types import SimpleNamespace
from typing import Any

import numpy as np

from jobs.pages.scores import scores_page
from trainer.scoring.scores import Scores

SCORES = Scores(np.ones(5, np.float32), np.array([1, 1, 3, 10, 11], np.int32), np.ones(5, np.float32))


def test_page_escapes_text_and_colors_each_class_of_rank() -> None:
    review: Any = SimpleNamespace(text=SimpleNamespace(found=SimpleNamespace(line=7)), ids="{<&u>}", scores=SCORES)
    alphabet: Any = SimpleNamespace(decode=lambda ids: ids)
    page = scores_page([review], alphabet, total=1).decode()
    assert '<span class="rank0">&lt;&amp;</span><span class="rank1">u</span>' in page
    assert page.count("<span") == 4
    assert "7, 1.00 bits per character" in page
