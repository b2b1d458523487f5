"""What the machine offers, within the limits of a container."""

from maskfold.planning.machine import free_memory, this_machine


def test_a_limit_of_memory(tmp_path):
    without = free_memory(tmp_path)
    assert without > 2**20
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert free_memory(tmp_path) == 2000000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(tmp_path) > 2**20


def test_cores_can_be_limited_further(tmp_path):
    machine = this_machine(1, tmp_path / "not" / "there" / "yet")
    assert machine.cores == 1
    assert machine.disk > 0
    assert machine.kind in ("cpu", "gpu")
    assert "1 core," in machine.in_words
