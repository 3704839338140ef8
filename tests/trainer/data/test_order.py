import numpy as np
import pytest

from trainer.data.hashing import permutation
from trainer.data.order import Order


def order(**changes: object) -> Order:
    settings = {"batch_windows": 8, "block_windows": 40, "seed": 1} | changes
    return Order([17, 5, 30, 1, 22], **settings)  # type: ignore[arg-type]


def ids(of: Order, epoch: int) -> list[tuple[int, int]]:
    """Return (shard, record) of each window of an epoch, in order."""
    batches = [of.batch(epoch, step) for step in range(of.steps_per_epoch)]
    return [
        (int(shard), int(record)) for rows in batches for shard, record, present in zip(*rows, strict=True) if present
    ]


def test_order_of_a_known_seed_never_changes() -> None:
    assert permutation((1, 2), 8).tolist() == KNOWN_PERMUTATION
    assert ids(order(), 0)[:4] == KNOWN_FIRST


@pytest.mark.parametrize("carry_windows", [1, 2, 7, 100])
def test_each_epoch_holds_each_window_once(carry_windows: int) -> None:
    every = sorted((shard, row) for shard, count in enumerate([17, 5, 30, 1, 22]) for row in range(count))
    for epoch in range(3):
        assert sorted(ids(order(carry_windows=carry_windows), epoch)) == every


def test_a_row_continues_its_segment_from_step_to_step() -> None:
    found = order(carry_windows=4)
    assert found.steps_per_epoch == 3 * 4  # 5 + 2 + 8 + 1 + 6 segments in batches of 8
    starts, previous = [], found.batch(0, 0)
    for step in range(found.steps_per_epoch):
        shards, records, present = found.batch(0, step)
        if found.starts_segments(step):
            assert present.all()
            starts += list(zip(shards.tolist(), records.tolist(), strict=True))
        else:
            np.testing.assert_array_equal(shards, previous[0])
            np.testing.assert_array_equal(records[present], previous[1][present] + 1)
            assert not (present & ~previous[2]).any()  # a segment that has ended stays so
        previous = shards, records, present
    assert len(starts) == len(set(starts)) == 22
    assert all(record % 4 == 0 for _, record in starts)


def test_segments_are_shuffled_within_their_block() -> None:
    """Check that segments next to each other in a shard are apart in the order."""
    found = Order([1000], batch_windows=10, block_windows=10_000, seed=3, carry_windows=10)
    starts = np.concatenate([found.batch(0, step)[1] for step in range(0, found.steps_per_epoch, 10)])
    assert sorted(starts.tolist()) == list(range(0, 1000, 10))
    assert (np.abs(np.diff(starts)) == 10).sum() < 8


def test_steps_at_which_every_segment_has_ended_have_no_window() -> None:
    found = Order([9], batch_windows=4, block_windows=100, seed=1, carry_windows=8)
    assert found.steps_per_epoch == 8
    assert [int(found.batch(0, step)[2].sum()) for step in range(8)] == [2, 1, 1, 1, 1, 1, 1, 1]
    assert not Order([3], batch_windows=4, block_windows=100, seed=1, carry_windows=8).batch(0, 5)[2].any()


def test_epochs_and_seeds_differ() -> None:
    assert ids(order(), 0) != ids(order(), 1)
    assert ids(order(), 0) != ids(order(seed=2), 0)


@pytest.mark.parametrize("carry_windows", [1, 4])
def test_step_does_not_depend_on_earlier_calls(carry_windows: int) -> None:
    walked = order(carry_windows=carry_windows)
    for step in range(walked.steps_per_epoch):
        for array, fresh in zip(walked.batch(1, step), order(carry_windows=carry_windows).batch(1, step), strict=True):
            assert array.tolist() == fresh.tolist()


def test_last_batch_of_an_epoch_may_be_short() -> None:
    found = order()
    assert found.steps_per_epoch == 10
    assert [len(found.batch(0, step)[0]) for step in range(10)] == [8] * 9 + [3]
    with pytest.raises(ValueError, match="step=10"):
        found.batch(0, 10)


def test_order_of_windows_does_not_depend_on_the_batch_size() -> None:
    assert ids(order(batch_windows=8), 0) == ids(order(batch_windows=5), 0)


def test_block_has_whole_shards_up_to_its_limit_and_keeps_their_windows() -> None:
    found = order()
    blocks = found.blocks(0)
    sizes = [sum([17, 5, 30, 1, 22][shard] for shard in block.shards) for block in blocks]
    assert sum(sizes) == 75
    assert all(size <= 40 for size in sizes)
    assert sorted(shard for block in blocks for shard in block.shards) == [0, 1, 2, 3, 4]
    walk = ids(found, 0)
    for block, size in zip(blocks, sizes, strict=True):
        assert {shard for shard, _ in walk[block.start : block.start + size]} == set(block.shards)


def test_shard_larger_than_a_block_is_a_block_of_its_own() -> None:
    assert len(order(block_windows=1).blocks(0)) == 5


def test_late_step_shuffles_only_its_own_blocks() -> None:
    """Read a step after a first block of 10**15 windows, which no machine could shuffle in memory."""
    seed = next(seed for seed in range(9) if permutation((seed, 0), 2)[0] == 0)
    found = Order([10**15, 24], batch_windows=8, block_windows=1, seed=seed)
    last = [found.batch(0, 10**15 // 8 + step) for step in range(3)]
    assert {shard for shards, _, _ in last for shard in shards.tolist()} == {1}
    assert sorted(row for _, rows, _ in last for row in rows.tolist()) == list(range(24))


def test_windows_of_one_block_are_well_mixed() -> None:
    """Check that windows next to each other in a shard are apart in the order. About 1 pair of 1000 stays together."""
    found = Order([1000], batch_windows=10, block_windows=10_000, seed=3)
    rows = np.array([row for _, row in ids(found, 0)])
    assert (np.abs(np.diff(rows)) == 1).sum() < 10
    assert abs(np.corrcoef(np.arange(1000), rows)[0, 1]) < 0.1


@pytest.mark.parametrize("carry_windows", [1, 3])
def test_shards_ahead_are_of_the_step_s_blocks_and_the_next_block(carry_windows: int) -> None:
    found = order(carry_windows=carry_windows)
    after = {}
    for epoch in range(2):
        blocks = [*found.blocks(epoch), *found.blocks(epoch + 1)[:1]]
        for step in range(found.steps_per_epoch):
            here = set(found.batch(epoch, step)[0].tolist())
            held = [k for k, block in enumerate(blocks[:-1]) if here & set(block.shards)]
            prefetch = [shard for block in blocks[held[0] : held[-1] + 2] for shard in block.shards]
            assert list(found.prefetch_shards(epoch, step)) == prefetch
            after[epoch, step] = here
    assert after[1, 0] <= set(found.prefetch_shards(0, found.steps_per_epoch - 1))


@pytest.mark.parametrize("block_windows", [1, 10, 40, 1000])
@pytest.mark.parametrize("batch_windows", [1, 8, 30])
@pytest.mark.parametrize("carry_windows", [1, 3])
def test_windows_at_once_bounds_every_step(block_windows: int, batch_windows: int, carry_windows: int) -> None:
    counts = [17, 5, 30, 1, 22, 3, 3, 2]
    for seed in range(20):
        found = Order(
            counts,
            batch_windows=batch_windows,
            block_windows=block_windows,
            seed=seed,
            carry_windows=carry_windows,
        )
        for step in range(found.steps_per_epoch):
            here = set(found.batch(0, step)[0].tolist())
            blocks = [block for block in found.blocks(0) if here & set(block.shards)]
            held = sum(counts[shard] for block in blocks for shard in block.shards)
            assert held <= found.windows_at_once <= sum(counts)


KNOWN_PERMUTATION = [1, 3, 7, 2, 6, 4, 5, 0]
KNOWN_FIRST = [(2, 5), (2, 12), (2, 21), (2, 14)]
