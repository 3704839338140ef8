import subprocess
import sys

import pytest

from trainer.runtime.machine import count_cores
from trainer.runtime.strategy import create_strategy

SPLIT = """
import tensorflow as tf
from trainer.runtime.strategy import create_strategy
strategy = create_strategy(cpu_replicas=4, batch_windows=6)
print(strategy.num_replicas_in_sync, tf.config.threading.get_intra_op_parallelism_threads())
"""


def test_cpu_is_divided_among_replicas_that_divide_the_batch() -> None:
    done = subprocess.run([sys.executable, "-c", SPLIT], check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout.split() == ["2", str(max(1, count_cores() // 2))]


@pytest.mark.parametrize(("cpu_replicas", "batch_windows", "replicas"), [(2, 128, 2), (2, 5, 1), (1, 128, 1)])
def test_process_that_has_used_tensorflow_takes_some_of_its_devices(
    cpu_replicas: int, batch_windows: int, replicas: int
) -> None:
    strategy = create_strategy(cpu_replicas=cpu_replicas, batch_windows=batch_windows)
    assert strategy.num_replicas_in_sync == replicas
