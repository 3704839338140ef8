import numpy as np

from trainer.data.hashing import _mix, hash_key, uniform


def test_hash_is_splitmix64() -> None:
    # Expected: the first three outputs for seed 0 of the authors' reference code.
    state = np.uint64(0)
    gamma = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        found = [int(_mix(np.array([state + np.uint64(k) * gamma], np.uint64))[0]) for k in range(3)]
    assert found == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_uniform_numbers_are_uniform_and_below_one() -> None:
    drawn = uniform((5, 6), 10_000)
    assert 0 <= drawn.min() < drawn.max() < 1
    assert np.histogram(drawn, bins=10, range=(0, 1))[0].min() > 900
    assert len(set(hash_key((5, 6), 10_000).tolist())) == 10_000
