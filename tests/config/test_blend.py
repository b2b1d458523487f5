"""Blends in the config: members are loaded, what they share must be the same, and every problem is named at once."""

import pytest

from maskfold.config import Blend, load_config, load_experiment
from maskfold.errors import ConfigError

BASE = "name: a\ndata: {format: rle_csv, root: data/x, class_names: ['1', '2']}\nfolds: {count: 3}\n"
BLEND = "extends: a.yaml\nname: both\nblend: {members: [a.yaml, b.yaml]}\n"


@pytest.fixture
def write(tmp_path):
    def write_file(text, name):
        path = tmp_path / name
        path.write_text(text)
        return path

    write_file(BASE, "a.yaml")
    write_file("extends: a.yaml\nname: b\ninference: {tta: [vflip]}\n", "b.yaml")
    return write_file


def test_members_are_whole_configs_found_beside_the_blend(write):
    blend = load_config(write(BLEND, "both.yaml")).blend
    assert [member.name for member in blend.members] == ["a", "b"]
    assert [member.inference.tta for member in blend.members] == [("hflip",), ("vflip",)]
    assert (blend.combine, blend.weights) == ("mean", "equal")


def test_overrides_of_what_members_share_reach_them_and_others_do_not(write):
    shared = ["output_root=/out", "data.root=/in", "folds.count=4", "train.workers=0"]
    config = load_config(write(BLEND, "both.yaml"), [*shared, "seed=7", "inference.tta=[]"])
    for member in config.blend.members:
        assert (member.output_root, member.data.root, member.folds.count) == ("/out", "/in", 4)
        assert (member.train.workers, member.seed, member.train.epochs) == (0, 0, 30)
        assert member.inference.tta != ()


def test_training_is_not_set_for_a_blend_but_what_its_file_inherits_is_left_out(write):
    path = write(BLEND + "train: {epochs: 3}\n", "both.yaml")
    config = load_config(path)
    assert isinstance(config, Blend) and not hasattr(config, "train")
    assert [member.train.epochs for member in config.experiments] == [30, 30]
    with pytest.raises(ConfigError, match=r"a blend trains nothing; set train\.epochs=2 for its members"):
        load_config(path, ["train.epochs=2", "train.workers=0"])


def test_what_only_an_experiment_can_do_names_the_members_of_a_blend(write):
    with pytest.raises(ConfigError, match=r"is a blend; .* members: configs/a\.yaml, configs/b\.yaml"):
        load_experiment(write(BLEND, "both.yaml"))
    assert load_experiment(write("extends: a.yaml\nname: c\n", "c.yaml")).name == "c"


def test_what_members_do_not_share_is_told_all_at_once(write):
    write("extends: a.yaml\nname: both\ndata: {class_names: ['1']}\nfolds: {count: 5}\noutput_root: there\n", "b.yaml")
    with pytest.raises(ConfigError) as error:
        load_config(write(BLEND, "both.yaml"))
    message = str(error.value)
    assert message.count("\n  ") == 4
    for line in (
        "has the name of the blend",
        "both: output_root: 'there', but the blend has '.'",
        "both: data.class_names: ('1',), but the blend has ('1', '2')",
        "both: folds.count: 5, but the blend has 3",
    ):
        assert line in message


@pytest.mark.parametrize(
    ("members", "answer"),
    [
        ("[a.yaml]", "blend.members: tuple should have at least 2 items"),
        ("[a.yaml, a.yaml]", "blend.members: a is listed twice"),
        ("[a.yaml, c.yaml]", "no such config file"),
        ("[a.yaml, both.yaml]", "both.yaml: is a blend itself"),
        ("[a.yaml, bad.yaml]", "did you mean train.epochs?"),
        ("{a: a.yaml}", "blend.members: "),
    ],
)
def test_members_that_cannot_be_used_are_refused_in_words(write, members, answer):
    write("extends: a.yaml\nname: bad\ntrain: {epoch: 3}\n", "bad.yaml")
    with pytest.raises(ConfigError, match=r"both\.yaml") as error:
        load_config(write(BLEND.replace("[a.yaml, b.yaml]", members), "both.yaml"))
    assert answer in str(error.value)
    assert "pydantic" not in str(error.value)


def test_a_misspelt_key_of_the_blend_is_answered_with_the_nearest(write):
    text = BLEND.replace("{members", "{weight: greedy, members")
    with pytest.raises(ConfigError, match=r"blend\.weight: unknown key; did you mean blend\.weights"):
        load_config(write(text, "both.yaml"))
