import platform

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.data.windows import Batch
from trainer.model import network as model
from trainer.runtime.stop_agreement import StopAgreement
from trainer.runtime.strategy import mirror_devices
from trainer.scoring.scorer import CHARS, ROWS, TOLERANCE, Scorer
from trainer.scoring.scores import Scores
from trainer.training.steps import Steps

SYMBOLS = 9


def network(*, embedding_units: int = 0) -> keras.Model:
    keras.utils.set_random_seed(3)
    net = model.build_lstm(symbols=SYMBOLS, lstm_units=[12, 8], embedding_units=embedding_units)
    net.get_layer("logits").kernel.assign(2 * np.random.default_rng(1).normal(size=(8, SYMBOLS)))
    return net


def texts(*lengths: int) -> list[np.ndarray]:
    random = np.random.default_rng(2)
    return [random.integers(0, SYMBOLS, length).astype(np.uint8) for length in lengths]


@pytest.mark.parametrize("embedding_units", [0, 5])
def test_scores_agree_with_the_model_s_logits_across_chunks(embedding_units: int) -> None:
    net = network(embedding_units=embedding_units)
    (text,) = texts(2 * CHARS + 17)
    (found,) = Scorer(net)([text])
    logits = net(text[None, :-1].astype(np.int32)).numpy()[0].astype(np.float64)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    places = np.arange(len(text) - 1), text[1:]
    np.testing.assert_allclose(found.bits, -np.log2(chances[places]), atol=1e-5)
    np.testing.assert_allclose(found.expected, -(chances * np.log2(chances)).sum(axis=1), atol=1e-5)
    order = np.argsort(-logits, axis=1, kind="stable")
    assert [row.tolist().index(target) + 1 for row, target in zip(order, text[1:], strict=True)] == found.ranks.tolist()


def test_bits_agree_with_an_evaluation_of_the_same_text() -> None:
    strategy = mirror_devices([device.name for device in tf.config.list_logical_devices("CPU")[:1]])
    with strategy.scope():
        net = network()
    (text,) = texts(33)
    steps = Steps(
        strategy, net, None, objective="every", clip_norm=0, batch_windows=1, agreement=StopAgreement(strategy)
    )
    nats, chars = steps.evaluate(Batch(text[None], np.ones(1, np.float32)))
    (found,) = Scorer(net)([text])
    assert len(found) == chars == 32
    assert float(found.bits.sum()) * np.log(2) == pytest.approx(float(nats), rel=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_text_gets_the_same_scores_alone_and_among_others_in_any_order(policy: str) -> None:
    keras.mixed_precision.set_global_policy(policy)
    scorer = Scorer(network())
    many = texts(*range(2, 2 + ROWS + 5), 3 * CHARS)
    together, backwards = scorer(many), scorer(many[::-1])[::-1]
    for text, one, other in zip(many, together, backwards, strict=True):
        (alone,) = scorer([text])
        assert len(alone) == len(text) - 1
        for found in (one, other):
            np.testing.assert_allclose(found.bits, alone.bits, atol=TOLERANCE)
            np.testing.assert_allclose(found.expected, alone.expected, atol=TOLERANCE)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="only x86's kernels are known to do so")
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_text_s_scores_have_the_same_bits_alone_and_among_others(policy: str) -> None:
    keras.mixed_precision.set_global_policy(policy)
    scorer = Scorer(network())
    (text,) = texts(CHARS + 2)
    for found in scorer([text] * ROWS):  # a difference anywhere is one of the rows' positions
        np.testing.assert_array_equal(found.bits, scorer([text])[0].bits)
        np.testing.assert_array_equal(found.expected, scorer([text])[0].expected)


def test_uniform_model_gives_and_expects_log2_of_its_symbols() -> None:
    net = network()
    for weight in net.weights:
        weight.assign(tf.zeros_like(weight))
    (found,) = Scorer(net)([np.array([0, 3, 0, 8])])
    np.testing.assert_allclose(found.bits, np.log2(SYMBOLS), rtol=1e-6)
    np.testing.assert_allclose(found.expected, np.log2(SYMBOLS), rtol=1e-6)
    assert found.ranks.tolist() == [4, 1, 9]  # ties: the lower id comes first


def test_no_texts_give_no_scores() -> None:
    found: list[Scores] = Scorer(network())([])
    assert found == []
