"""Facts about the machine of this process, for people to read."""

import os
import platform
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PACKAGES = ("tensorflow", "keras", "numpy")
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
CPUINFO = Path("/proc/cpuinfo")
CGROUP = Path("/sys/fs/cgroup")  # a pod's limits, if cgroups are of version 2


def describe_machine() -> dict[str, str]:
    """Return host, system, CPU, cores, memory, GPUs and package versions. Opens TensorFlow's devices."""
    import tensorflow as tf

    gpus = Counter(
        str(tf.config.experimental.get_device_details(device).get("device_name", "GPU"))
        for device in tf.config.list_physical_devices("GPU")
    )
    return {
        "host": platform.node(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "CPU": read_cpu_fact(CPUINFO, "model name") or platform.processor() or platform.machine(),
        "cores": describe_cores(CGROUP),
        "memory": describe_memory(CGROUP),
        "GPUs": ", ".join(f"{count} x {name}" for name, count in gpus.items()) or "none",
        **read_driver(NVIDIA_DRIVER),
        **dict(list_versions()),
    }


def read_driver(version: Path) -> dict[str, str]:
    """Return the version of NVIDIA's driver by the name "GPU driver", from the file that it makes; else nothing."""
    found = re.search(r"(\d+\.)+\d+", version.read_text()) if version.exists() else None
    return {"GPU driver": found[0]} if found else {}


def read_cpu_fact(cpuinfo: Path, name: str) -> str:
    """Return a fact about the first CPU from Linux's cpuinfo, for example "model name"; empty on other systems."""
    if not cpuinfo.exists():
        return ""
    lines = (line for line in cpuinfo.read_text().splitlines() if line.startswith(name))
    return next(lines, "").partition(":")[2].strip()


def describe_cores(cgroup: Path) -> str:
    """Return the number of cores, and the limit on their time if a cgroup sets one."""
    count = count_cores()
    quota, period = [*_limit(cgroup / "cpu.max"), "max", "max"][:2]
    return f"{count}, limited to the time of {int(quota) / int(period):g}" if quota != "max" else f"{count}"


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_memory(cgroup: Path) -> str:
    """Return the memory of the machine, or the cgroup's limit if it is smaller."""
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    [limit] = _limit(cgroup / "memory.max") or ["max"]
    return f"{min(installed, int(limit) if limit != 'max' else installed) / 2**30:.1f} GiB"


def _limit(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def list_versions() -> Iterator[tuple[str, str]]:
    """Yield (name, version) of Python and each package, without importing the package."""
    yield "python", platform.python_version()
    for package in PACKAGES:
        yield package, _version(package)


def _version(package: str) -> str:
    for name in (package, f"{package}-cpu"):  # TensorFlow's CPU build has another name
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return "not installed"


def utc_now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
