"""Places, cores and the time left, by hand."""

import os

from maskfold.execution.cores import LIMIT, core_times, quota_cores, usable_cores
from maskfold.execution.job import Place, places
from maskfold.execution.jobs_shown import seconds_left


def test_workers_share_the_cores():
    assert places(2, [0, 1], 2) == [Place(1, (0,)), Place(1, (1,))]
    assert places(2, [2, 3, 5, 7, 8], 5) == [Place(2, (2, 3)), Place(2, (5, 7, 8))]  # both with two threads
    assert places(1, [0, 1], 2) == [Place(2, (0, 1))]


def test_workers_are_not_bound_where_the_system_shares_better():
    assert places(3, [0, 1], 2) == [Place(1)] * 3
    assert places(2, [0, 1, 2, 3], 2) == [Place(1)] * 2  # the run may use two of four


def test_each_worker_has_a_gpu():
    assert [place.gpu for place in places(3, [0, 1, 2], 3, gpus=2)] == [0, 1, 0]


def test_the_quota_of_a_container(tmp_path):
    assert quota_cores(tmp_path) is None
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert quota_cores(tmp_path) is None
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert quota_cores(tmp_path) == 2
    assert usable_cores(tmp_path) == min(2, len(os.sched_getaffinity(0)))


def test_the_limit_of_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv(LIMIT, "1")
    assert usable_cores(tmp_path) == 1


def test_the_work_of_some_cores():
    lines = ["cpu  9 9 9 9 9 9 9 9 0 0", "cpu0 1 2 3 10 20 4 5 6 0 0", "cpu1 5 0 0 7 0 0 0 0 0 0"]
    lines += ["cpu10 1 1 1 1 1 1 1 1 0 0", "intr 5"]
    assert core_times("\n".join(lines), [0, 10]) == {0: (21, 51), 10: (6, 8)}


def test_time_left_of_all():
    assert seconds_left([10.0, 4.0], 0, 20.0, 2) == 10
    assert seconds_left([10.0, 4.0], 1, 20.0, 2) == 24
    assert seconds_left([10.0, 4.0], 2, 20.0, 2) == 30
    assert seconds_left([5.0], 0, 20.0, 2) == 5


def test_a_quota_is_rounded_up(tmp_path):
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert quota_cores(tmp_path) == 2
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert quota_cores(tmp_path) is None


def test_the_older_kind_of_quota(tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("100000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert quota_cores(tmp_path) == 1
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert quota_cores(tmp_path) is None
