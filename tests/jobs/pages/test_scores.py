import numpy as np

from jobs.pages.scores import scores_page
from preprocessing.dataset.vocabulary import Vocabulary
from preprocessing.sources.review import Review
from tests.support.datasets import make_dataset
from trainer.scoring.review_files import ReviewLine
from trainer.scoring.scored_reviews import ScoredReview, TextCodec
from trainer.scoring.scores import Scores

SYMBOLS = "<&u>{}"


def test_page_escapes_text_and_colors_each_class_of_rank() -> None:
    ones = np.ones(5, np.float32)
    scores = Scores(ones, np.array([1, 1, 3, 10, 11], np.int32), ones)
    ids = np.array(Vocabulary(SYMBOLS).encode("{<&u>}")[0])
    review = ScoredReview(ReviewLine("reviews.jsonl", Review(7, "id", "<&u>")), ids, scores, dropped=0)
    manifest, _ = make_dataset([("train", "{u}")], symbols=SYMBOLS, window=2, stride=2)
    page = scores_page([review], TextCodec(manifest), total=1).decode()
    assert '<span class="rank0">&lt;&amp;</span><span class="rank1">u</span>' in page
    assert page.count("<span") == 4
    assert "7, 1.00 bits per character" in page
