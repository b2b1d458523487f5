"""The table over folds, by hand."""

import pandas as pd
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment, FoldsConfig, RleCsvData
from maskfold.training.summary import fold_summary, show_folds


def test_one_row_a_fold_and_their_mean(tmp_path, capsys):
    data = RleCsvData(root="x", class_names=("a",))
    config = Experiment(name="x", output_root=str(tmp_path), data=data, folds=FoldsConfig(count=3))
    assert fold_summary(config).empty
    for fold, metrics in enumerate(((0.5, None, 0.7), (0.9, None, 0.8))):
        path = RunPaths.of(config).history_csv(fold)
        path.parent.mkdir(parents=True)
        columns = {"epoch": [0, 1, 2], "train_loss": [3.0, 2.0, 1.0], "valid_loss": metrics, "valid_metric": metrics}
        more = {"learning_rate": 1.0, "seconds": 60.0, "peak_memory_mb": 100.0, "dice_a": metrics}
        pd.DataFrame(columns | more).to_csv(path, index=False)
    table = fold_summary(config).set_index("fold")
    assert table.index.tolist() == ["0", "1", "mean"]
    assert table["best epoch"].tolist() == [3, 1, 2]
    assert table["best metric"].tolist() == pytest.approx([0.7, 0.9, 0.8])
    assert table["metric"].tolist() == pytest.approx([0.7, 0.8, 0.75])
    assert table["dice a"].tolist() == pytest.approx([0.7, 0.8, 0.75])
    assert table["minutes"].tolist() == [3, 3, 3]
    show_folds(config)
    assert "mean" in capsys.readouterr().out
    assert len(pd.read_csv(RunPaths.of(config).folds_summary_csv)) == 3


def test_the_one_model_of_a_hold_out_is_no_fold(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")  # of a narrow terminal, the table would be turned
    data = RleCsvData(root="x", class_names=("a",))
    folds = FoldsConfig(kind="hold_out", count=3)
    config = Experiment(name="mine", output_root=str(tmp_path), data=data, folds=folds)
    path = RunPaths.of(config).history_csv(0)
    path.parent.mkdir(parents=True)
    scores = {"train_loss": [1.0], "valid_loss": [0.0], "valid_metric": [0.25], "dice_a": [0.0]}
    more = {"epoch": [0], "learning_rate": [1.0], "seconds": [90.0], "peak_memory_mb": [100.0]}
    pd.DataFrame(more | scores).to_csv(path, index=False)
    assert fold_summary(config)["model"].tolist() == ["mine"]
    show_folds(config)
    printed = capsys.readouterr().out
    assert "fold" not in printed and "mean" not in printed
    row = [cell.strip() for cell in printed.splitlines()[3].split("│")[1:-1]]
    assert row == ["mine", "1", "1", "0.2500", "0.2500", "1.0000", "0.0000", "0.0000", "1.5", "100"]
