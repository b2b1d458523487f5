"""Training of a fold: it learns, and a resumed one equals an undisturbed one to the last bit."""

import os
import signal

import numpy as np
import pandas as pd
import pytest
import torch

from maskfold.artefacts.paths import RunPaths
from maskfold.artefacts.provenance import Provenance
from maskfold.config import (
    LossConfig,
    Resize,
    SamplingConfig,
    ScheduleConfig,
    TrainPhase,
    TuningConfig,
)
from maskfold.errors import ConfigError, TrainingError
from maskfold.execution.progress import JOBS_AFTER
from maskfold.mask_metrics.metric import mask_metric
from maskfold.training.checks import check_training
from maskfold.training.fit import train_fold
from maskfold.training.history_callback import HistoryCallback
from maskfold.training.module import FoldModule
from maskfold.training.validation import ValidationScores
from support.trainings import MADE_FROM, config_of, halves


@pytest.fixture
def folds(tiny_competition):
    return halves(tiny_competition)


def train(config, competition, folds):
    train_fold(config, competition, folds, 0, MADE_FROM)
    return torch.load(RunPaths.of(config).model(0), weights_only=True)


def cut_off_after_two_epochs(config, competition, folds, monkeypatch):
    """Train as far as a power cut in the third epoch lets it."""
    start = HistoryCallback.on_train_epoch_start

    def power_cut(self, trainer, pl_module):
        if trainer.current_epoch == 2:
            raise SystemExit
        start(self, trainer, pl_module)

    with monkeypatch.context() as patch:
        patch.setattr(HistoryCallback, "on_train_epoch_start", power_cut)
        with pytest.raises(SystemExit):
            train(config, competition, folds)


def test_the_loss_falls_and_every_artefact_is_there(tmp_path, tiny_competition, folds):
    config = config_of(tmp_path, epochs=6, learning_rate=3e-3)
    train(config, tiny_competition, folds)
    paths = RunPaths.of(config)
    history = pd.read_csv(paths.history_csv(0))
    assert history["epoch"].tolist() == list(range(6))
    assert history["train_loss"].iloc[-1] < 0.8 * history["train_loss"].iloc[0]
    assert {"dice_bright", "dice_dark", "valid_metric", "learning_rate", "seconds"} <= set(history.columns)
    folder = paths.training(0)
    names = ("best-005.ckpt", "last.ckpt", "samples.png", "model.pt")
    assert all((folder / name).is_file() for name in names)
    assert list((folder / "tensorboard").glob("events.*"))


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        ([], "fold0 after its last finished epoch"),
        (["last.ckpt"], "fold0 after epoch 1: last.ckpt cannot be read"),
        (["last.ckpt", "previous.ckpt"], "fold0 starts again: last.ckpt cannot be read"),
    ],
)
def test_a_cut_off_training_continues_to_the_same_weights(
    tmp_path, tiny_competition, folds, monkeypatch, capsys, damaged, said
):
    with_dropout = {"classification_head": True, "classification_dropout": 0.5}

    def config(name):
        config = config_of(tmp_path, name, epochs=4)
        return config.model_copy(update={"model": config.model.model_copy(update=with_dropout)})

    undisturbed = train(config("undisturbed"), tiny_competition, folds)
    cut_off = config("cut_off")
    cut_off_after_two_epochs(cut_off, tiny_competition, folds, monkeypatch)
    folder = RunPaths.of(cut_off).training(0)
    for name in damaged:
        os.truncate(folder / name, 1000)
    resumed = train(cut_off, tiny_competition, folds)
    assert said in capsys.readouterr().out
    assert len(list(folder.glob("*.ckpt"))) == 2  # the last and the best
    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)
    figures = ["epoch", "train_loss", "valid_loss", "valid_metric"]
    tables = [
        pd.read_csv(tmp_path / "runs" / name / "fold0" / "history.csv")[figures] for name in ("cut_off", "undisturbed")
    ]
    pd.testing.assert_frame_equal(*tables)


def test_a_run_that_was_moved_still_knows_its_best_checkpoints(tmp_path, tiny_competition, folds, monkeypatch):
    def config(root):
        return config_of(tmp_path / root, epochs=4, top_k=4, select="top")

    undisturbed = train(config("one"), tiny_competition, folds)
    cut_off_after_two_epochs(config("two"), tiny_competition, folds, monkeypatch)
    (tmp_path / "two").rename(tmp_path / "three")
    moved = train(config("three"), tiny_competition, folds)
    assert len(list((tmp_path / "three/runs/x/fold0").glob("best-*.ckpt"))) == 4
    assert all(torch.equal(undisturbed[name], moved[name]) for name in undisturbed)


def test_fp16_trains_with_scaled_gradients_and_continues_with_their_scale(tmp_path, tiny_competition, folds):
    config = config_of(tmp_path, epochs=4, learning_rate=3e-3, precision="fp16")
    weights = train(config, tiny_competition, folds)
    assert all(bool(torch.isfinite(each).all()) for each in weights.values())
    losses = pd.read_csv(RunPaths.of(config).history_csv(0))["train_loss"]
    assert losses.iloc[-1] < losses.iloc[0]
    scaler = torch.load(RunPaths.of(config).training(0) / "last.ckpt", weights_only=True)["MixedPrecision"]
    assert scaler["scale"] > 1 and scaler["_growth_tracker"] > 0


def test_a_changed_setting_starts_anew_and_early_stopping_stops(tmp_path, tiny_competition, folds):
    config = config_of(tmp_path, epochs=2)
    train(config, tiny_competition, folds)
    before = RunPaths.of(config).model(0).read_bytes()
    changed = config_of(tmp_path, epochs=8, learning_rate=1e-9, ema_decay=None, early_stopping_patience=1)
    train_fold(changed, tiny_competition, folds, 0, Provenance("train", {"learning_rate": 1e-9}, {}, "c0de"))
    history = pd.read_csv(RunPaths.of(changed).history_csv(0))
    assert history["epoch"].iloc[0] == 0
    assert len(history) < 8
    assert (tmp_path / "runs/x/fold0.previous/model.pt").read_bytes() == before


PHASED = {
    "epochs": 2,
    "then": (
        TrainPhase(epochs=1, crop_size="whole", batch_size=3),
        TrainPhase(epochs=1, learning_rate=1e-4, sampling=SamplingConfig(draws_per_epoch=8)),
    ),
    "accumulate_batches": 2,
    "top_k": 2,
    "select": "top",
}


def test_phases_change_crops_batches_and_rates_and_resume_to_the_same_weights(
    tmp_path, tiny_competition, folds, monkeypatch
):
    undisturbed = train(config_of(tmp_path, "undisturbed", **PHASED), tiny_competition, folds)
    history = pd.read_csv(RunPaths.of(config_of(tmp_path, "undisturbed")).history_csv(0))
    assert len(history) == 4
    seen = []
    step = FoldModule.training_step

    def watched(self, batch, index):
        seen.append((self.current_epoch, tuple(batch.pixels.shape[:3])))
        return step(self, batch, index)

    cut_off = config_of(tmp_path, "cut_off", **PHASED)
    with monkeypatch.context() as patch:
        patch.setattr(FoldModule, "training_step", watched)
        cut_off_after_two_epochs(cut_off, tiny_competition, folds, monkeypatch)
        resumed = train(cut_off, tiny_competition, folds)
    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)
    shapes = {epoch: [shape for at, shape in seen if at == epoch] for epoch in range(4)}
    assert shapes[0] == [(2, 32, 64)] * 3
    assert shapes[2] == [(3, 64, 96)] * 2
    assert shapes[3] == [(3, 64, 96)] * 2


def test_a_phase_may_have_another_loss(tmp_path, tiny_competition, folds):
    losses = {"loss": LossConfig(dice=0), "then": (TrainPhase(epochs=2, loss=LossConfig(bce=1000, dice=0)),)}
    config = config_of(tmp_path, epochs=1, **losses)
    train(config, tiny_competition, folds)
    trained = pd.read_csv(RunPaths.of(config).history_csv(0))["train_loss"]
    assert 200 < trained[1] / trained[0] < 5000
    assert trained[2] > 200 * trained[0]


def test_the_loss_of_a_phase_must_fit_the_classes(tmp_path, tiny_competition):
    config = config_of(
        tmp_path, then=(TrainPhase(epochs=1), TrainPhase(epochs=1, loss=LossConfig(class_weights=(1,) * 9)))
    )
    with pytest.raises(ConfigError, match=r"train\.then\[1\]\.loss\.class_weights"):
        check_training(config, tiny_competition, None)


def test_an_ensemble_keeps_the_best_checkpoints_of_a_fold(tmp_path, tiny_competition, folds):
    kept = train(config_of(tmp_path, epochs=3, top_k=2, select="ensemble"), tiny_competition, folds)
    files = sorted(RunPaths.of(config_of(tmp_path)).training(0).glob("best-*.ckpt"))
    assert len(kept) == len(files) == 2
    name = "network.segmentation_head.0.weight"
    stored = [torch.load(file, weights_only=True)["state_dict"][f"model.{name}"] for file in files]
    assert all(any(torch.equal(state[name], other) for other in stored) for state in kept)


def test_a_network_that_cannot_be_built_costs_no_finished_training(tmp_path, tiny_competition, folds):
    config = config_of(tmp_path)
    paths = RunPaths.of(config)
    paths.training(0).mkdir(parents=True)
    paths.model(0).write_bytes(b"hours of work")
    for change, answer in (
        ({"encoder": "resnet43"}, "unknown 'resnet43'"),
        ({"encoder": "tu-coatnet_nano_rw_224", "resize": Resize(size=(224, 224))}, "train.crop_size: .* at 32x64 px"),
    ):
        broken = config.model_copy(update={"model": config.model.model_copy(update=change)})
        with pytest.raises(ConfigError, match=answer):
            train(broken, tiny_competition, folds)
        assert paths.model(0).read_bytes() == b"hours of work"


def test_a_frozen_encoder_stays_as_it_came(tmp_path, tiny_competition, folds):
    frozen = train(config_of(tmp_path, "a", epochs=1, frozen_encoder_epochs=1), tiny_competition, folds)
    thawed = train(config_of(tmp_path, "b", epochs=2, frozen_encoder_epochs=1), tiny_competition, folds)
    longer = train(config_of(tmp_path, "c", epochs=2, frozen_encoder_epochs=2), tiny_competition, folds)
    encoder = [name for name in frozen if name.startswith("network.encoder.")]
    assert any("running_mean" in name for name in encoder)
    assert all(torch.equal(frozen[name], longer[name]) for name in encoder)
    assert not all(torch.equal(frozen[name], thawed[name]) for name in encoder)
    decoder = "network.segmentation_head.0.weight"
    assert not torch.equal(frozen[decoder], longer[decoder])


def test_validation_every_second_epoch_and_plateau(tmp_path, tiny_competition, folds, monkeypatch):
    monkeypatch.setattr(ValidationScores, "mean", lambda self: 0.5)  # never better, so the rate falls
    schedule = ScheduleConfig(kind="plateau", plateau_patience=0, plateau_factor=0.5)
    config = config_of(tmp_path, epochs=6, validate_every=2, schedule=schedule, learning_rate=1e-3)
    train(config, tiny_competition, folds)
    history = pd.read_csv(RunPaths.of(config).history_csv(0))
    assert history["valid_metric"].notna().tolist() == [False, True] * 3
    assert history["learning_rate"].tolist() == [1e-3] * 4 + [5e-4] * 2


def test_a_loss_of_nan_stops_with_the_images_and_keeps_the_last_checkpoint(
    tmp_path, tiny_competition, folds, monkeypatch
):
    step = FoldModule.training_step

    def broken(self, batch, index):
        loss = step(self, batch, index)
        if self.current_epoch == 1 and index == 1:
            self.train_losses[-1] = loss.detach() * torch.nan
        return loss

    monkeypatch.setattr(FoldModule, "training_step", broken)
    config = config_of(tmp_path, epochs=3)
    with pytest.raises(
        TrainingError,
        match=r"fold 0, epoch 2, batch 2: the loss became NaN or infinite \(nan\). Images of the batch: train\d+",
    ):
        train(config, tiny_competition, folds)
    folder = RunPaths.of(config).training(0)
    assert torch.load(folder / "last.ckpt", weights_only=True)["epoch"] == 0
    assert not RunPaths.of(config).model(0).exists()


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), TrainingError, r"fold 0: .*batch_size \(now 2; .*crop"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), TrainingError, r"\(CUDA error: CUBLAS.*batch_size"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), RuntimeError, "^mat1 and mat2"),
    ],
)
def test_a_gpu_out_of_memory_names_the_settings_to_lower(
    raised, expected, message, tmp_path, tiny_competition, folds, monkeypatch
):
    def full(self, batch, index):
        raise raised

    monkeypatch.setattr(FoldModule, "training_step", full)
    with pytest.raises(expected, match=message):
        train(config_of(tmp_path, epochs=1), tiny_competition, folds)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_that_a_signal_ends_is_an_interrupt_and_continues(
    number, tmp_path, tiny_competition, folds, monkeypatch
):
    step = FoldModule.training_step

    def ended(self, batch, index):
        if self.current_epoch == 1:
            signal.raise_signal(number)
        return step(self, batch, index)

    config, before = config_of(tmp_path, epochs=2), signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins deaf to it
    with monkeypatch.context() as patch:
        patch.setattr(FoldModule, "training_step", ended)
        try:
            with pytest.raises(KeyboardInterrupt):
                train(config, tiny_competition, folds)
        finally:
            signal.signal(signal.SIGINT, before)  # lightning leaves it ignored
    assert torch.load(RunPaths.of(config).training(0) / "last.ckpt", weights_only=True)["epoch"] == 0
    train(config, tiny_competition, folds)
    assert pd.read_csv(RunPaths.of(config).history_csv(0))["epoch"].tolist() == [0, 1]


def test_validation_scores_by_hand():
    scores = ValidationScores("dice")
    prob = np.zeros((2, 1, 4), np.uint8)
    prob[0, 0, :2] = (128, 127)  # 0.502 is on, 0.498 is off
    truth = np.zeros((2, 1, 4), np.uint8)
    truth[0, 0, :2] = 1
    scores.add(prob, truth)  # Dice 2 * 1 / (1 + 2) for class 0; class 1 empty and rightly so: 1
    scores.add(np.zeros_like(prob), np.zeros_like(truth))
    assert scores.mean() == pytest.approx(((2 / 3 + 1) / 2 + 1) / 2)
    dice = scores.non_empty_dice()
    assert dice[0] == pytest.approx(2 / 3)
    assert np.isnan(dice[1])


def test_validation_by_a_metric_of_whole_masks():
    tuning = TuningConfig(metric="negative_hausdorff95")
    scores = ValidationScores(tuning.metric, mask_metric(tuning))
    prob, truth = np.zeros((2, 2, 6, 8), np.uint8)
    prob[0, 1, 1], truth[0, 4, 5] = 128, 1  # 3 rows and 4 columns apart
    scores.add(prob, truth)
    assert scores.mean() == pytest.approx((-5 + 0) / 2)
    assert scores.non_empty_dice()[0] == 0


def test_a_log_gets_lines_within_a_long_epoch(tmp_path, tiny_competition, folds, monkeypatch, capsys):
    monkeypatch.setattr("maskfold.execution.progress.SILENCE_SECONDS", 0.0)
    train(config_of(tmp_path, epochs=1, sampling=SamplingConfig(draws_per_epoch=8)), tiny_competition, folds)
    lines = [line for line in capsys.readouterr().out.splitlines() if "images a second" in line]
    words = [f"step {step}/4" for step in (1, 2, 3, 4)] + ["validation 1/2", "validation 2/2"]
    assert [line.split(":")[0] for line in lines] == [f"  fold 0 epoch 1/1, {each}" for each in words]
    assert all("images a second, 0 min left" in line for line in lines)


def test_the_time_left_is_that_of_the_whole_stage_by_the_last_epochs(tmp_path, capsys, monkeypatch):
    JOBS_AFTER.set(2)
    try:
        history = HistoryCallback(tmp_path / "history.csv", "fold 0")
    finally:
        JOBS_AFTER.set(0)
    row = {"epoch": 5, "train_loss": 0.5, "valid_loss": 0.4, "valid_metric": 0.8, "dice_scratch": 0.7, "dice_b": 0.25}
    # Three slow epochs long ago do not count: 60 s each of the last three, four more here and ten in each later model.
    history.rows = [row | {"epoch": epoch, "seconds": 600.0 if epoch < 3 else 60.0} for epoch in range(6)]
    history.print_epoch(10)
    line = capsys.readouterr().out
    assert line.endswith("60 s, 24 min left with the 2 after it\n")
    assert "non-empty Dice: scratch 0.70, b 0.25" in line
    monkeypatch.setenv("MASKFOLD_SIDE_BY_SIDE", "3")
    history.print_epoch(10)
    assert capsys.readouterr().out.endswith("60 s, 4 min left of its own\n")
