"""Available memory of the system and of a container."""

import pytest

from dlpipe.data import available_memory


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with 1000 KiB available; returns the folder of its cgroup files."""
    (tmp_path / "meminfo").write_text("MemTotal: 4000 kB\nMemFree: 10 kB\nMemAvailable: 1000 kB\n")
    monkeypatch.setattr(available_memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(available_memory, "CGROUP", tmp_path)
    return tmp_path


def limit(folder, most):
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text("700000\n")
    (folder / "memory.stat").write_text("anon 5\ninactive_file 600000\n")


def test_available_memory_is_what_the_system_reports(machine):
    assert available_memory.available_bytes() == 1_024_000


def test_the_file_cache_does_not_count_towards_a_containers_limit(machine):
    limit(machine, 800_000)
    assert available_memory.available_bytes() == 700_000


def test_a_container_beyond_its_limit_has_no_available_memory(machine):
    limit(machine, 50_000)
    assert available_memory.available_bytes() == 0


def test_a_container_without_a_limit_has_the_available_memory_of_the_system(machine):
    limit(machine, "max")
    assert available_memory.available_bytes() == 1_024_000


def test_total_memory_is_used_if_the_system_reports_no_available_memory(machine, monkeypatch):
    (machine / "meminfo").unlink()
    monkeypatch.setattr(available_memory.os, "sysconf", {"SC_PHYS_PAGES": 3, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert available_memory.available_bytes() == 3 * 4096
