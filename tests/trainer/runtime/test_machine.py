from pathlib import Path

from trainer.runtime.machine import describe_cores, describe_machine, describe_memory, read_cpu_fact


def test_machine_facts_have_processor_and_versions() -> None:
    found = describe_machine()
    names = ["host", "system", "CPU", "cores", "memory", "GPUs", "python", "tensorflow", "keras", "numpy"]
    assert list(found) == names
    assert all(found.values())


def test_cpuinfo_has_the_name_of_the_processor(tmp_path: Path) -> None:
    facts = "processor\t: 0\nmodel name\t: A: B 7\nflags\t\t: avx2 amx_bf16\nmodel name\t: C\n"
    (tmp_path / "cpuinfo").write_text(facts)
    assert read_cpu_fact(tmp_path / "cpuinfo", "model name") == "A: B 7"
    assert read_cpu_fact(tmp_path / "cpuinfo", "flags") == "avx2 amx_bf16"
    assert read_cpu_fact(tmp_path / "none", "model name") == ""


def test_limits_of_the_pod_count(tmp_path: Path) -> None:
    own = describe_cores(tmp_path), describe_memory(tmp_path)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert (describe_cores(tmp_path), describe_memory(tmp_path)) == own
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text(f"{2**29}\n")
    assert (describe_cores(tmp_path), describe_memory(tmp_path)) == (f"{own[0]}, limited to the time of 1.5", "0.5 GiB")
