from preprocessing.dataset.folder import load_vocabulary
from preprocessing.dataset.vocabulary import SEED


def test_the_names_of_the_vocabularies() -> None:
    assert load_vocabulary("seed") == SEED
    assert load_vocabulary("auto") is None
