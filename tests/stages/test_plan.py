"""The plan stage on small generated data: the file that is written, kept and refused, and bad input."""

import csv

import cv2
import numpy as np
import pytest
import yaml

from maskfold.config import load_config
from maskfold.errors import ConfigError, DataError, UsageError
from maskfold.pixels.rle import encode
from maskfold.stages.plan import PlanRequest, first_run_of, make_plan


def draw(rng, size):
    """A dark image (H, W, 3) with a bright square, unlike all others where they are compared small, and its mask."""
    image = cv2.resize(rng.integers(0, 60, (4, 4, 3)).astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
    image += rng.integers(0, 20, (*size, 3)).astype(np.uint8)
    mask = np.zeros(size, np.uint8)
    top, left = (int(rng.integers(0, side - 20)) for side in size)
    mask[top : top + 20, left : left + 20] = 1
    image[mask > 0] += 150
    return image, mask


def write_masks(folder, images=24, size=(64, 96), tests=6):
    """Folders images, masks and test."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks", *(["test"] if tests else [])):
        (folder / name).mkdir(parents=True)
    for number in range(images):
        image, mask = draw(rng, size)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), image)
        cv2.imwrite(str(folder / "masks" / f"{number}.png"), mask * 255)
    for number in range(tests):
        cv2.imwrite(str(folder / "test" / f"t{number}.png"), draw(rng, size)[0])
    return folder


def write_csvs(folder, rows="id,rle_mask"):
    """Kaggle's form: square images, train.csv in column order, sample_submission.csv with a placeholder."""
    rng = np.random.default_rng(1)
    labels = []
    for name in ("train", "test"):
        (folder / name).mkdir(parents=True)
    for number in range(40):
        image, mask = draw(rng, (101, 101))
        if number % 2:
            image, mask = image // 4, np.zeros_like(mask)
        cv2.imwrite(str(folder / "train" / f"i{number}.png"), image)
        labels.append((f"i{number}", encode(mask)))
    for number in range(5):
        cv2.imwrite(str(folder / "test" / f"t{number}.png"), draw(rng, (101, 101))[0])
    for name, content in (("train", labels), ("sample_submission", [(f"t{n}", "1 1") for n in range(5)])):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([rows.split(","), *content])
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """The measurements of all tests: the networks are the same."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def request_for(tmp_path, monkeypatch, cache):
    """A request to plan for a folder, with configs and weights below tmp_path."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr("maskfold.artefacts.paths.REPOSITORY", tmp_path / "repository")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mobilenet_v2-imagenet.pth").touch()

    def made(data, minutes=10.0, **more):
        values = {"metric": "dice", "weights": tmp_path / "weights", "cores": 1, "configs": tmp_path / "configs"}
        return PlanRequest(data, minutes, **values | more)

    return made


def test_a_plan_of_mask_folders(tmp_path, request_for):
    path = make_plan(request_for(write_masks(tmp_path / "cats")))
    assert path == tmp_path / "configs" / "auto_cats.yaml"
    config = load_config(path)
    assert config.name == "auto_cats"
    assert config.data.format == "mask_folders"
    assert config.data.root == str(tmp_path / "cats")
    assert config.model.encoder == "mobilenet_v2"
    assert config.model.encoder_weights == str(tmp_path / "weights" / "mobilenet_v2-imagenet.pth")
    assert config.submission.layout == "image"
    first = load_config(first_run_of(path))
    assert first.name == "auto_cats_first"
    assert 0.5 <= first.train.minutes <= 1
    assert 5 < config.folds.models * config.train.minutes + first.train.minutes < 10


def test_a_plan_draws_six_images_with_their_masks(tmp_path, request_for, capsys):
    make_plan(request_for(write_masks(tmp_path / "cats")))
    assert "auto_cats.labels.png: six images with their masks, as they were read" in capsys.readouterr().out
    picture = cv2.imread(str(tmp_path / "repository" / "reports" / "auto_cats.labels.png"))
    assert picture.shape[1] == 3 * 400 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 100


def test_every_planned_line_has_a_reason_and_the_file_loads_as_it_was_planned(tmp_path, request_for):
    path = make_plan(request_for(write_masks(tmp_path / "cats")))
    lines = path.read_text(encoding="utf-8").splitlines()
    start = lines.index(next(line for line in lines if line.startswith("folds:")))
    for number, line in enumerate(lines[start:], start):
        is_section = line.rstrip().endswith(":")
        if line.startswith("  ") and not line.strip().startswith("#") and not is_section:
            assert " # " in line or lines[number - 1].strip().startswith("#"), line
    dumped = load_config(path).model_dump(mode="json")
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(dumped), encoding="utf-8")
    assert load_config(again).model_dump(mode="json") == dumped


def test_run_lengths_with_a_sample_submission(tmp_path, request_for, capsys):
    path = make_plan(request_for(write_csvs(tmp_path / "salt"), metric=None))
    config = load_config(path)
    assert config.data.order == "column"
    assert config.data.sample_submission == "sample_submission.csv"
    assert config.model.resize.size == (128, 128)
    assert config.submission.layout == "image"
    assert config.submission.order == "column"
    assert config.submission.empty_token == ""
    assert config.train.sampling.non_empty_share == 0.7
    assert config.tuning.metric == "dice"
    told = capsys.readouterr().out
    assert "no --metric was given" in told
    assert "tgs_precision" in told
    assert "'1 1' in sample_submission.csv is a placeholder" in path.read_text(encoding="utf-8")


def test_a_config_keeps_its_values_and_the_rest_is_planned(tmp_path, request_for, capsys):
    data = write_masks(tmp_path / "cats")
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "name: mine\ndata: {format: mask_folders, root: cats, class_names: [cat], train_images: images, "
        "train_masks: masks, test_images: test}\n"
        "train: {learning_rate: 0.002, flips: []}\ntuning: {metric: iou}\n"
    )
    request = request_for(data, keep=mine, metric=None, overrides=("train.flips=[vertical]",), explain=True)
    path = make_plan(request)
    assert path.name == "mine_planned.yaml"
    config = load_config(path)
    assert config.name == "mine_planned"
    assert (config.train.learning_rate, config.train.flips, config.tuning.metric) == (0.002, ("vertical",), "iou")
    assert config.model.encoder == "mobilenet_v2"  # planned
    told = capsys.readouterr().out
    assert "no --metric was given" not in told
    origins = {line.split()[0]: line.rsplit("  ", 1)[1] for line in told.splitlines() if line.startswith("train.")}
    assert origins["train.learning_rate"].startswith("kept from")
    assert origins["train.flips"] == "set with --set"
    assert origins["train.batch_size"].startswith("plan: ")
    mine.write_text(mine.read_text().replace("0.002", "0.003"))
    assert load_config(make_plan(request)).train.learning_rate == 0.003


def test_a_blend_cannot_be_kept(tmp_path, request_for):
    (tmp_path / "both.yaml").write_text("name: both\nblend: {members: [a.yaml, b.yaml]}\n")
    with pytest.raises(UsageError, match="is a blend"):
        make_plan(request_for(write_masks(tmp_path / "cats"), keep=tmp_path / "both.yaml"))


def test_the_same_request_keeps_the_plan_and_another_replaces_it(tmp_path, request_for, capsys):
    request = request_for(write_masks(tmp_path / "cats"))
    path = make_plan(request)
    before = path.read_bytes()
    capsys.readouterr()
    make_plan(request)
    assert path.read_bytes() == before
    assert "is up to date" in capsys.readouterr().out
    make_plan(request_for(tmp_path / "cats", minutes=20.0))
    assert "--minutes 20" in path.read_text(encoding="utf-8")


def test_a_plan_that_was_changed_and_a_config_that_was_not_planned_are_kept(tmp_path, request_for):
    request = request_for(write_masks(tmp_path / "cats"))
    path = make_plan(request)
    path.write_text(path.read_text(encoding="utf-8").replace("batch_size: ", "batch_size: 1"), encoding="utf-8")
    with pytest.raises(UsageError, match="was changed since it was planned"):
        make_plan(request)
    path.write_text("name: auto_cats\n", encoding="utf-8")
    with pytest.raises(UsageError, match="was not planned"):
        make_plan(request)


def test_values_of_the_user_win(tmp_path, request_for):
    overrides = ("train.batch_size=3", "data.class_names=[cat]", "model.encoder=tu-mobilenetv3_small_050", "seed=7")
    path = make_plan(request_for(write_masks(tmp_path / "cats"), overrides=overrides, name="mine"))
    config = load_config(path)
    assert (config.train.batch_size, config.data.class_names, config.seed) == (3, ("cat",), 7)
    assert config.model.encoder == "tu-mobilenetv3_small_050"
    assert config.model.encoder_weights is None  # those at hand are of another encoder
    assert "batch_size: 3 # set with --set" in path.read_text(encoding="utf-8")


def test_explain_names_where_values_come_from(tmp_path, request_for, capsys):
    make_plan(request_for(write_masks(tmp_path / "cats"), overrides=("train.batch_size=3",), explain=True))
    told = capsys.readouterr().out
    [batch] = [line for line in told.splitlines() if "train.batch_size" in line]
    assert "set with --set" in batch
    [decay] = [line for line in told.splitlines() if "train.weight_decay" in line]
    assert "default" in decay
    [encoder] = [line for line in told.splitlines() if line.split()[:1] == ["model.encoder"]]
    assert "suits a CPU with 1 core" in encoder


def test_no_test_images(tmp_path, request_for, capsys):
    config = load_config(make_plan(request_for(write_masks(tmp_path / "cats", tests=0))))
    assert config.data.test_images is None
    assert "no submission" in capsys.readouterr().out


def test_bad_input(tmp_path, request_for):
    (tmp_path / "nothing" / "pictures").mkdir(parents=True)
    with pytest.raises(DataError, match="found no labels") as error:
        make_plan(request_for(tmp_path / "nothing"))
    assert "pictures/" in str(error.value)
    with pytest.raises(DataError, match="no such folder"):
        make_plan(request_for(tmp_path / "missing"))
    with pytest.raises(DataError, match="found 1 labelled image"):
        make_plan(request_for(write_masks(tmp_path / "one", images=1)))
    cats = write_masks(tmp_path / "cats")
    with pytest.raises(UsageError, match="are too few"):
        make_plan(request_for(cats, minutes=0.5))
    with pytest.raises(UsageError, match="expected a number above 0"):
        make_plan(request_for(cats, minutes=0.0))
    with pytest.raises(UsageError, match="unknown; choose one of"):
        make_plan(request_for(cats, metric="accuracy"))
    with pytest.raises(UsageError, match="holds no file that is called"):
        make_plan(request_for(cats, weights=cats))
    with pytest.raises(ConfigError, match="did you mean"):
        make_plan(request_for(cats, overrides=("train.batch_sizes=3",)))
    assert not (tmp_path / "configs").exists()


def test_measurements_are_remembered(tmp_path, request_for, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cats = write_masks(tmp_path / "cats")
    texts = [make_plan(request_for(cats, name=name)).read_text("utf-8") for name in ("first", "second")]
    first, second = (text.replace("\n# ", " ") for text in texts)  # without line breaks within a comment
    remembered = len(list((tmp_path / "cache" / "maskfold" / "speed").glob("*.json")))
    # What another program disturbed is not remembered, so that the second plan measures again.
    assert ("another program" in first) == ("remembered from an earlier plan" not in second)
    assert remembered == 1 or "another program" in second
