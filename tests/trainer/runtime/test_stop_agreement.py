import numpy as np
import tensorflow as tf

from trainer.runtime.stop_agreement import StopAgreement
from trainer.runtime.strategy import broadcast_from_chief, mirror_devices


def test_a_worker_alone_stops_when_it_is_asked() -> None:
    asked = [False]
    agreement = StopAgreement(mirror_devices(["CPU:0"]), lambda: asked[0])
    assert not agreement()
    asked[0] = True
    assert agreement()
    assert agreement.meet()


def test_of_many_a_worker_stops_only_by_the_sum_that_all_see() -> None:
    agreement = StopAgreement(mirror_devices(["CPU:0"]), lambda: True, workers=2)
    assert float(agreement.flag()) == 1
    assert not agreement()
    agreement.record(tf.constant(1.0), waited=False)
    assert not agreement()  # known to all, but only the step before the last is waited for
    agreement.record(tf.constant(0.0), waited=False)
    assert agreement()


def test_what_is_waited_for_anyway_is_looked_at_once() -> None:
    agreement = StopAgreement(mirror_devices(["CPU:0"]), lambda: False, workers=2)
    agreement.record(tf.constant(1.0), waited=True)
    assert agreement()
    assert not agreement.meet()


def test_all_get_the_first_replica_s_arrays_bit_for_bit() -> None:
    arrays: dict[str, np.ndarray] = {
        "b": np.array([-0.0, 0.0, -1.5, np.inf], np.float32),
        "a": np.array(2**40 + 1, np.int64),
    }
    found = broadcast_from_chief(mirror_devices(["CPU:0", "CPU:1"]), arrays)
    assert {name: (array.dtype, array.tobytes()) for name, array in found.items()} == {
        name: (array.dtype, array.tobytes()) for name, array in arrays.items()
    }
