"""A small dataset, made once by the real commands, for the tests of what comes after it."""

import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "ONEDNN_MAX_CPU_ISA" in os.environ:  # as if on an older CPU: ONEDNN_MAX_CPU_ISA=AVX2 make test
    # TensorFlow asks the CPU for bfloat16, not oneDNN, which then refuses and ends the process.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import hypothesis
import tensorflow as tf

from tests.support.inputs import small_dataset
from tests.support.local_service import metadata, service

# Two virtual devices on the CPU stand in for two GPUs; only before TensorFlow's first use can they be made.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

# The same examples in each run, and none against the clock: this machine may be slow.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add this project's options to pytest's."""
    parser.addoption("--slow", action="store_true", help="run what make test leaves out or shortens (make test-all)")
    parser.addoption("--image", help="the image that a cluster's nodes know, for tests/cluster (make test-cluster)")


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
    """Takes back the precision that a command has set for the process, which ends with it everywhere else."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].mixed_precision.set_global_policy("float32")


@pytest.fixture(scope="session", autouse=True)
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Those of a machine in Google's cloud, whosever the user's own are; Beam looks 22 s for them if there are none."""
    with service(metadata) as port, pytest.MonkeyPatch.context() as environment:
        environment.setenv("GCE_METADATA_HOST", f"localhost:{port}")
        environment.setenv("GCE_METADATA_IP", f"localhost:{port}")
        environment.setenv("CLOUDSDK_CONFIG", str(tmp_path_factory.mktemp("cloudsdk")))
        environment.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        yield


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty bucket in Cloud Storage, which Mended in tests.support.gcs_emulator stands in for."""
    from tests.support.gcs_emulator import emulator

    with emulator(bucket="reviews") as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        yield "gs://reviews"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A function from a size in kilobytes to a folder that holds no more."""
    mounted = []

    def mount(kilobytes: int) -> Path:
        folder = tmp_path / f"disk-{kilobytes}"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"needs leave to mount a small tmpfs: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    if os.geteuid() or not shutil.which("mount") or sys.platform != "linux":
        pytest.skip("needs root on Linux, to mount a small tmpfs")
    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def reviews_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 invented reviews as JSON lines."""
    from jobs import demo_reviews

    path = tmp_path_factory.mktemp("reviews") / "reviews.jsonl"
    demo_reviews.main(["--set", f"output={path}", "--set", "reviews=300"])
    return path


@pytest.fixture(scope="session")
def dataset(reviews_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Windows of 16 characters in three shards a split."""
    folder = tmp_path_factory.mktemp("dataset") / "dataset"
    small_dataset(reviews_file, folder)
    return folder


@pytest.fixture(scope="session")
def small_run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch on it, for what only reads a run; in float32, which is the same on every machine."""
    from jobs import train
    from tests.support.runs import arguments

    runs = tmp_path_factory.mktemp("runs")
    train.main(arguments(dataset, runs, epochs=1, precision="float32"))
    return runs / "small"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real reviews, which a user of the project does not have."""
    if not SHARED.is_dir():
        pytest.skip("needs the real reviews in ../shared/data, which are not part of the project")
    return SHARED / "data"
