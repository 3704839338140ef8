"""Options, environment and shared fixtures of all tests: a small dataset and a small run, each built once."""

import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "ONEDNN_MAX_CPU_ISA" in os.environ:  # simulates an older CPU: ONEDNN_MAX_CPU_ISA=AVX2 make test
    # TensorFlow reads bfloat16 support from the CPU and ignores the limit. oneDNN then aborts the process.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import hypothesis
import tensorflow as tf

from tests.support.inputs import small_dataset
from tests.support.local_service import metadata, service

# Two virtual CPU devices stand in for two GPUs. They must be configured before TensorFlow's first use.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

# The same examples in each run, and no deadline, because a machine may be slow.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add this project's options to pytest's."""
    parser.addoption(
        "--slow", action="store_true", help="run the tests that make test skips or shortens (make test-all)"
    )
    parser.addoption("--image", help="image on the cluster's nodes, for tests/cluster (make test-cluster)")


@pytest.fixture(scope="session")
def rounds(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Return a function that chooses between the short and the full number of rounds of a series."""
    return lambda short, full: full if request.config.getoption("--slow") else short


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip slow tests in `make test`. Keep nothing but slow tests and full series with --slow."""
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: make test-all"))
        return
    slow = [item for item in items if item.get_closest_marker("slow") or "rounds" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in slow])
    items[:] = slow


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long the tests of each folder took, in seconds of all processes together."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.partition("::")[0].rpartition("/")[0]] += report.duration
    terminalreporter.section("seconds per folder")
    for folder, total in sorted(seconds.items(), key=lambda item: -item[1]):
        terminalreporter.line(f"{total:8.1f}  {folder}")
    terminalreporter.line(f"{sum(seconds.values()):8.1f}  in all")


@pytest.fixture(autouse=True)
def precision() -> Iterator[None]:
    """Reset Keras' global precision policy after a test, because commands set it for the whole process."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].mixed_precision.set_global_policy("float32")


@pytest.fixture(scope="session", autouse=True)
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set fake Google Cloud credentials, never the user's. Without credentials Beam looks for them for 22 s."""
    with service(metadata) as port, pytest.MonkeyPatch.context() as environment:
        environment.setenv("GCE_METADATA_HOST", f"localhost:{port}")
        environment.setenv("GCE_METADATA_IP", f"localhost:{port}")
        environment.setenv("CLOUDSDK_CONFIG", str(tmp_path_factory.mktemp("cloudsdk")))
        environment.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        yield


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start a Cloud Storage emulator with an empty bucket. Yields the bucket's URL."""
    from tests.support.gcs_emulator import emulator

    with emulator(bucket="reviews") as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        yield "gs://reviews"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Yield a function that makes a folder with room for a number of kilobytes."""
    folders = []

    def mount(kilobytes: int) -> Path:
        folder = tmp_path / f"disk-{kilobytes}"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"needs permission to mount a small tmpfs: {done.stderr.strip()}")
        folders.append(folder)
        return folder

    if os.geteuid() or not shutil.which("mount") or sys.platform != "linux":
        pytest.skip("needs root on Linux to mount a small tmpfs")
    yield mount
    for folder in folders:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def reviews_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 300 synthetic reviews as JSON lines."""
    from jobs import demo_reviews

    path = tmp_path_factory.mktemp("reviews") / "reviews.jsonl"
    demo_reviews.main(["--set", f"output={path}", "--set", "reviews=300"])
    return path


@pytest.fixture(scope="session")
def dataset(reviews_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a dataset of windows of 16 characters, with three shards in each split."""
    folder = tmp_path_factory.mktemp("dataset") / "dataset"
    small_dataset(reviews_file, folder)
    return folder


@pytest.fixture(scope="session")
def small_run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train one epoch in float32, for tests that only read a run. The default precision depends on the CPU."""
    from jobs import train
    from tests.support.runs import arguments

    runs = tmp_path_factory.mktemp("runs")
    train.main(arguments(dataset, runs, epochs=1, precision="float32"))
    return runs / "small"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real reviews, which are not part of the project."""
    if not SHARED.is_dir():
        pytest.skip("needs the real reviews in ../shared/data, which are not part of the project")
    return SHARED / "data"
