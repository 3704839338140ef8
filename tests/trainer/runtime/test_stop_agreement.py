import numpy as np
import tensorflow as tf

from trainer.runtime.stop_agreement import StopAgreement
from trainer.runtime.strategy import broadcast_from_chief, mirror_devices


def test_worker_alone_stops_when_it_is_asked() -> None:
    asked = [False]
    agreement = StopAgreement(mirror_devices(["CPU:0"]), lambda: asked[0])
    assert not agreement()
    asked[0] = True
    assert agreement()
    assert agreement.barrier()


def test_one_of_many_workers_stops_only_by_the_sum_of_all_flags() -> None:
    agreement = StopAgreement(mirror_devices(["CPU:0"]), lambda: True, workers=2)
    assert float(agreement.flag()) == 1
    assert not agreement()
    agreement.record(tf.constant(1.0), waited=False)
    assert not agreement()  # known to all, but only the step before the last is waited for
    agreement.record(tf.constant(0.0), waited=False)
    assert agreement()


def test_sum_that_is_waited_for_counts_at_once() -> None:
    agreement = StopAgreement(mirror_devices(["CPU:0"]), lambda: False, workers=2)
    agreement.record(tf.constant(1.0), waited=True)
    assert agreement()
    assert not agreement.barrier()


def test_all_replicas_get_the_chief_s_arrays_bit_exact() -> None:
    arrays: dict[str, np.ndarray] = {
        "b": np.array([-0.0, 0.0, -1.5, np.inf], np.float32),
        "a": np.array(2**40 + 1, np.int64),
    }
    found = broadcast_from_chief(mirror_devices(["CPU:0", "CPU:1"]), arrays)
    assert {name: (array.dtype, array.tobytes()) for name, array in found.items()} == {
        name: (array.dtype, array.tobytes()) for name, array in arrays.items()
    }
