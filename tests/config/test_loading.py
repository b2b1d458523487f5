"""The config: strictness, nearest keys, extends, overrides, and every shipped file."""

from itertools import pairwise

import pytest

from maskfold.artefacts.paths import resolve
from maskfold.config import REPOSITORY, load_config
from maskfold.errors import ConfigError

MINIMAL = "name: x\ndata: {format: rle_csv, root: data/x, class_names: ['1']}\n"


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="x.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write_file


@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_config_loads_and_is_named_after_its_file(path):
    assert load_config(path).name == path.stem


def test_file_holds_only_departures_from_the_defaults(write):
    config = load_config(write(MINIMAL + "train: {epochs: 3}\n"))
    assert config.train.epochs == 3
    assert config.train.batch_size == 16


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("train: {epoch: 3}", "train.epoch: unknown key; did you mean train.epochs?"),
        ("trian: {epochs: 3}", "trian: unknown key; did you mean train?"),
        ("metric: iou", "metric: unknown key; did you mean tuning.metric?"),
        ("train: {metric: iou}", "train.metric: unknown key; did you mean tuning.metric?"),
        ("train: {loss: {dise: 1.0}}", "train.loss.dise: unknown key; did you mean train.loss.dice?"),
        ("train: {epochs: '3'}", "train.epochs: input should be a valid integer"),
        ("train: {epochs: 0}", "train.epochs: input should be greater than or equal to 1"),
        ("train: {crop_size: [100, 256]}", "sides must be multiples of 32, found [100, 256]"),
        ("train: {loss: {bce: 0, dice: 0}}", "every mask loss has weight 0"),
        ("model: {resize: {scale: 0.5, longest_side: 512}}", "give exactly one of scale, longest_side, size"),
        ("inference: {tta: [hflip, vflip, rot180]}", "a view would be used twice"),
        ("submission: {layout: image, columns: [a, b, c]}", "layout image has 2 columns, found 3"),
    ],
)
def test_a_wrong_value_is_answered_with_its_key_and_the_cure(write, text, answer):
    with pytest.raises(ConfigError) as error:
        load_config(write(MINIMAL + text))
    assert answer in str(error.value)


def test_all_problems_are_reported_together(write):
    with pytest.raises(ConfigError) as error:
        load_config(write(MINIMAL + "train: {epoch: 3, batch_size: -1}\nsed: 1"))
    assert str(error.value).count("\n  ") == 3


def test_a_misspelt_key_of_the_data_section_knows_its_format(write):
    with pytest.raises(ConfigError, match=r"data\.train_cvs: unknown key; did you mean data\.train_csv"):
        load_config(write(MINIMAL), ["data.train_cvs=a.csv"])
    folders = "name: x\ndata: {format: mask_folders, root: data/x}\n"
    with pytest.raises(ConfigError, match=r"data\.train_mask: unknown key; did you mean data\.train_masks"):
        load_config(write(folders), ["data.train_mask=masks"])


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (
            "{format: cocoo, root: x}",
            "data.format: found 'cocoo', expected one of rle_csv, mask_folders, paths_csv, coco",
        ),
        ('{format: rle_csv, root: x, class_names: ["\\e[31m"]}', "'\\x1b[31m' holds control characters, '\\x1b'"),
        ("{root: x, class_names: [a]}", "data.format: required; one of rle_csv, mask_folders"),
        ("{format: coco, root: x, class_names: [a], train_jsn: y}", "did you mean data.train_json?"),
        ("{format: auto, root: x, ordr: row}", "ordr: unknown key; did you mean data.order?"),
        ("{format: rle_csv, root: x, class_names: [a], columns: {img: y}}", "data.columns.img: unknown key"),
        (
            "{format: rle_csv, root: x, class_names: [a, b], columns: {image: i, rle: r}}",
            "several classes need class_name",
        ),
        ("{format: rle_csv, root: x, class_names: [a], columns: {rle: r}}", "give exactly one of image, image_class"),
        ("{format: coco, root: x, class_names: [a], merge: {b: all}}", "merge: b not in class_names"),
        ("{format: mask_folders, root: x, mask_name: a.png}", "mask_name: expected either {stem} or {name}"),
        ("{format: mask_folders, root: x, class_names: [a, b]}", "several classes need labels: class_index or colour"),
        (
            "{format: mask_folders, root: x, class_colours: {mask: [1, 2, 3]}}",
            "class_colours: only with labels: colour",
        ),
        ("{format: mask_folders, root: x, labels: colour}", "labels: colour needs class_colours"),
        (
            "{format: mask_folders, root: x, labels: class_index, class_values: {mask: 0}}",
            "the background, have one in common",
        ),
        ("{format: paths_csv, root: x, class_names: [a, a]}", "class_names: each name once"),
    ],
)
def test_data_sections_of_every_format_say_what_is_wrong(write, data, answer):
    with pytest.raises(ConfigError) as error:
        load_config(write(f"name: x\ndata: {data}\n"))
    assert answer in str(error.value)


def test_extends_merges_section_by_section(write):
    write(MINIMAL + "train: {epochs: 3, batch_size: 4}\n", "base.yaml")
    config = load_config(write("extends: base.yaml\nname: y\ntrain: {epochs: 5}\n"))
    assert (config.name, config.train.epochs, config.train.batch_size) == ("y", 5, 4)


def test_a_data_section_of_another_format_replaces_the_base(write):
    write(MINIMAL, "base.yaml")
    config = load_config(write("extends: base.yaml\ndata: {format: mask_folders, root: photos}\n"))
    assert config.data.format == "mask_folders"


def test_extends_in_a_circle_is_refused(write):
    write("extends: x.yaml\n", "base.yaml")
    with pytest.raises(ConfigError, match="extends itself"):
        load_config(write("extends: base.yaml\n"))


def test_overrides_come_last_and_are_typed_as_yaml(write):
    path = write(MINIMAL)
    overrides = ["train.epochs=7", "train.learning_rate=1e-3", "inference.tta=[vflip]", "model.encoder_weights=null"]
    config = load_config(path, overrides)
    assert config.train.epochs == 7
    assert config.train.learning_rate == 0.001
    assert config.inference.tta == ("vflip",)
    assert config.model.encoder_weights is None


@pytest.mark.parametrize("override", ["train.epochs", "=3", "train..epochs=3"])
def test_a_malformed_override_shows_how_one_looks(write, override):
    with pytest.raises(ConfigError, match=r"for example --set train\.epochs=3"):
        load_config(write(MINIMAL), [override])


def test_a_missing_file_is_answered_with_the_nearest_name(write):
    path = write(MINIMAL, "severstal.yaml")
    with pytest.raises(ConfigError, match=r"did you mean .*severstal\.yaml"):
        load_config(path.with_name("severstall.yaml"))


def test_a_key_given_twice_is_refused(write):
    with pytest.raises(ConfigError, match="duplicate key: name"):
        load_config(write(MINIMAL + "name: y\n"))


def alias_bomb(levels):
    """Each level names the one before ten times."""
    names = "abcdefghij"[:levels]
    lines = [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in pairwise(names)]
    return "\n".join(["a: &a [" + ", ".join("x" * 10) + "]", *lines])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (alias_bomb(8), "with its aliases .* it has 1[0-9,]+ values; at most 100,000"),
        ("a: " + "[" * 60 + "]" * 60, "more than 50 deep"),
        ("a: " + "[" * 5000 + "]" * 5000, "more than 50 deep"),
        ("a: &a [*a]", "more than 50 deep"),
        ("a: 2001-99-99", "month must be in 1..12"),
        ("a: \0", "special characters are not allowed"),
    ],
)
def test_what_would_fill_the_memory_or_is_no_value_is_refused(tmp_path, text, reason):
    path = tmp_path / "bomb.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"(?s)bomb\.yaml: not a YAML file: .*{reason}"):
        load_config(path)


def test_aliases_in_number_are_read(write):
    text = MINIMAL.replace("['1']", "&names ['1']") + "model: {encoder: resnet18}\n"
    assert load_config(write(text)).data.class_names == ("1",)


@pytest.mark.parametrize(
    "override",
    [
        *("train.learning_rate=.inf", "train.learning_rate=.nan", "train.learning_rate=1e30", "train.workers=5000"),
        *("train.weight_decay=.inf", "train.gradient_clip=.nan", "tuning.area_growth=.inf", f"name={'x' * 300}"),
    ],
)
def test_numbers_without_sense_are_refused_with_their_key(override):
    with pytest.raises(ConfigError, match=override.partition("=")[0].replace(".", r"\.")):
        load_config(REPOSITORY / "configs/demo.yaml", [override])


@pytest.mark.parametrize("path", ["a\0b", "~nobody-there/x"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ConfigError, match="is no usable path"):
        resolve(path)
