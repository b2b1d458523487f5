"""The smallest sets of images: each goes through every stage, or is refused by the first stage that can know."""

import cv2
import numpy as np
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment
from maskfold.data.opening import open_competition
from maskfold.errors import DataError, TrainingError
from maskfold.stages.audit_data import audit_data
from maskfold.stages.make_demo_data import make_demo_data
from maskfold.stages.make_folds import make_folds
from maskfold.stages.make_submission import make_submission
from maskfold.stages.predict_oof import predict_oof
from maskfold.stages.train import train_models
from maskfold.stages.tune_thresholds import tune
from support.finished_run import STAGES, tiny_config
from support.random_run import write_weights


def config_of(root, sizes, batch_size=16, crop=None, test=((64, 64),), **folds):
    """A run on grey images of these (height, width), a bright quarter of each labelled."""
    rng = np.random.default_rng(0)
    for name in ("train_images", "train_masks", "test_images"):
        (root / "data" / name).mkdir(parents=True)
    for number, (height, width) in enumerate(sizes):
        mask = np.zeros((height, width), np.uint8)
        mask[: max(1, height // 2), : max(1, width // 2)] = 255
        cv2.imwrite(str(root / "data/train_masks" / f"{number}.png"), mask)
        grey = np.where(mask > 0, 250, rng.integers(0, 200, mask.shape)).astype(np.uint8)
        cv2.imwrite(str(root / "data/train_images" / f"{number}.png"), grey)
    for number, size in enumerate(test):
        cv2.imwrite(str(root / "data/test_images" / f"{number}.png"), rng.integers(0, 255, size, dtype=np.uint8))
    folders = {"train_images": "train_images", "train_masks": "train_masks", "test_images": "test_images"}
    model = {"encoder": "tu-test_efficientnet", "encoder_weights": None, "decoder_channels": (8,) * 5, "in_channels": 1}
    train = {"epochs": 1, "batch_size": batch_size, "crop_size": crop, "workers": 0, "accelerator": "cpu"}
    return Experiment.model_validate(
        {
            "name": "tiny",
            "output_root": str(root),
            "data": {"format": "mask_folders", "root": str(root / "data"), "image_id": "name", **folders},
            "folds": {"count": 2, **folds},
            "model": model,
            "train": train,
            "tuning": {"trials": 2, "bootstrap_samples": 100},
            "report": {"examples": 1},
        }
    )


@pytest.mark.parametrize(
    ("sizes", "batch_size", "test"),
    [
        pytest.param([(64, 64)] * 2, 1, [(64, 64)], id="two images, a batch of one"),
        pytest.param([(1, 1), (1, 40), (40, 1), (1, 1)], 16, [(1, 1), (1, 70)], id="one pixel wide, a larger batch"),
    ],
)
def test_the_smallest_sets_go_through_every_stage(tmp_path, sizes, batch_size, test):
    config = config_of(tmp_path, sizes, batch_size, test=test)
    competition = open_competition(config.data, config.model.in_channels)
    for stage in STAGES.values():
        stage(config, competition)
    audit_data(config, competition)
    paths = RunPaths.of(config)
    assert paths.submission(config.submission.layout).is_file()
    assert (paths.report / "index.html").is_file()


def test_batch_norm_that_gets_one_value_is_refused_with_what_to_change(tmp_path):
    config = config_of(tmp_path, [(32, 32)] * 2, batch_size=1, crop=(32, 32))
    competition = open_competition(config.data, config.model.in_channels)
    make_folds(config, competition)
    with pytest.raises(TrainingError, match=r"batch norm cannot learn .* raise train\.batch_size \(now 1\)"):
        train_models(config, competition)


@pytest.mark.parametrize(
    ("count", "folds", "answer"),
    [
        (1, {}, r"found \[0\]; rules need two to be tuned and scored on: label more images"),
        (4, {"kind": "hold_out", "share": 0.25}, r"rules need two to be tuned and scored on: raise folds\.share, or"),
    ],
)
def test_too_few_images_are_refused_before_any_training(tmp_path, count, folds, answer):
    config = config_of(tmp_path, [(64, 64)] * count, **folds)
    with pytest.raises(DataError, match=answer):
        make_folds(config, open_competition(config.data))
    assert not RunPaths.of(config).folds_csv.exists()


@pytest.mark.parametrize("rows", ["none", "blank"])
def test_run_lengths_that_are_all_empty_score_1_and_are_submitted_empty(tmp_path, rows):
    model = {"encoder": "tu-test_efficientnet", "decoder_channels": (8,) * 5}
    demo = {"train_images": 8, "test_images": 3, "width": 96, "height": 64}
    data = {"class_names": ("1", "2")}
    config = tiny_config(tmp_path, model=model, demo=demo, data=data)
    make_demo_data(config)
    config = config.model_copy(update={"demo": None})
    images = sorted(path.name for path in (tmp_path / "data/train_images").iterdir())
    blank = [f"{image},{name},\n" for image in images for name in "12" if rows == "blank"]
    (tmp_path / "data/train.csv").write_text("".join(["ImageId,ClassId,EncodedPixels\n", *blank]))
    names = [path.name for path in (tmp_path / "data/test_images").iterdir()]
    sample = [f"{image},{name},\n" for image in sorted(names) for name in "12"]
    (tmp_path / "data/sample_submission.csv").write_text("".join(["ImageId,ClassId,EncodedPixels\n", *sample]))
    competition = open_competition(config.data)
    make_folds(config, competition)
    write_weights(config)  # random: half of all pixels are above 0.5
    predict_oof(config, competition)
    scores = tune(config, competition).scores
    assert (scores.all_empty, scores.default, scores.tuned, scores.honest) == (1, 0, 1, 1), scores
    make_submission(config, competition)
    submitted = RunPaths.of(config).submission(config.submission.layout).read_text().splitlines()
    assert submitted == ["ImageId,ClassId,EncodedPixels", *(row.strip() for row in sample)]
