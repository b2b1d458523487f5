"""The history of a training: the best epoch by hand, and a history read back."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskfold.training.history import best_row, read_history

HISTORY = """epoch,train_loss,valid_loss,valid_metric,learning_rate,seconds,peak_memory_mb,dice_1,dice_2
0,1.20,1.10,0.50,0.0010,3.5,900,0.1,0.2
1,0.80,0.90,0.75,0.0008,3.4,900,0.4,0.3
2,0.60,0.95,0.75,0.0004,3.4,900,0.5,0.3
3,0.55,,0.70,0.0001,3.4,900,0.5,0.2
"""


@pytest.fixture
def history_csv(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    path.write_text(HISTORY)
    return path


def test_best_epoch_is_the_first_with_the_highest_metric(history_csv: Path) -> None:
    best = best_row(read_history(history_csv))
    assert best is not None
    assert (best["epoch"], best["valid_metric"]) == (1, 0.75)


def test_no_best_epoch_without_a_measured_metric() -> None:
    assert best_row(pd.DataFrame({"epoch": [0, 1]})) is None
    assert best_row(pd.DataFrame({"epoch": [0], "valid_metric": [np.nan]})) is None


def test_a_repeated_epoch_keeps_its_later_row(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("epoch,valid_metric\n1,0.2\n0,0.1\n1,0.3\n")
    assert read_history(path).to_numpy().tolist() == [[0.0, 0.1], [1.0, 0.3]]


def test_a_history_without_epochs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("step,loss\n0,1\n")
    with pytest.raises(ValueError, match="no column epoch; found step, loss"):
        read_history(path)
