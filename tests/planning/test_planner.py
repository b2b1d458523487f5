"""Plans for fingerprints and machines that are made up; the rules' numbers come from planning/constants.py."""

import json
import re
import time
from dataclasses import replace

import pytest

from maskfold.config import Experiment, parse_config
from maskfold.errors import DataError, UsageError
from maskfold.planning.choices.folds import first_run
from maskfold.planning.clock import Clock
from maskfold.planning.draft import Draft
from maskfold.planning.machine import Machine
from maskfold.planning.planner import Situation, plan_model, plan_rest
from maskfold.planning.weights_at_hand import Weights
from support.synthetic_plans import CPU, CPU_SPEED, GIB, GPU, GPU_SPEED, facts, one_class

MOBILE = {"mobilenet_v2": Weights("mobilenet_v2", "/weights/mobilenet_v2-imagenet.pth", "a file at hand")}


def plan(found, minutes=60.0, machine=CPU, weights=MOBILE, overrides=(), metric="dice", speed=None):
    """The planned config and the draft."""
    draft = Draft(overrides)
    draft.choose("name", "planned", "")
    names = [each.name for each in found.classes]
    draft.choose("data", {"format": "rle_csv", "root": "/data", "class_names": names}, "")
    draft.choose("tuning.metric", metric, "")
    situation = Situation(found, machine, weights, minutes, time.monotonic())
    sizes = plan_model(draft, situation)
    plan_rest(draft, sizes, speed or (GPU_SPEED if machine.gpus else CPU_SPEED), situation)
    config = parse_config(json.dumps(draft.tree()))
    assert isinstance(config, Experiment)
    return config, draft


def test_a_short_budget_holds_out_and_gives_one_model_most_of_the_time():
    config, _ = plan(facts(images=3000))
    assert config.folds.kind == "hold_out"
    assert config.folds.share == pytest.approx(0.1)  # 300 of 3,000 images
    assert 0.7 * 60 < config.train.minutes < 0.9 * 60
    assert config.refit is None
    assert config.train.select == "last"
    assert config.train.validate_every is None


def test_a_long_budget_trains_several_folds():
    config, _ = plan(facts(images=300), minutes=240)
    assert config.folds.kind == "k_fold"
    assert (config.folds.count, config.folds.repeats) == (5, 1)
    assert 0.7 * 240 < 5 * config.train.minutes < 0.9 * 240


def test_a_few_images_have_no_folds_before_each_model_has_enough_steps():
    # 20 images of 192x192 px a second: 16 images 40 times are 32 s, 400 steps of 4 images are 80 s.
    found = facts(images=20, size=(192, 192))
    short, draft = plan(found, minutes=5)
    assert short.folds.kind == "hold_out"
    assert "400 steps" in draft.reasons()["folds.kind"]
    long, _ = plan(found, minutes=12)
    assert (long.folds.kind, long.folds.count) == ("k_fold", 5)
    assert 60 * long.train.minutes * 20 >= 1600


def test_time_that_five_models_cannot_use_buys_further_splits():
    config, draft = plan(facts(images=100), minutes=1200)
    assert (config.folds.count, config.folds.repeats) == (5, 5)
    assert draft.reasons()["folds.repeats"].startswith("time for 25 models")
    assert 26 * config.train.minutes == pytest.approx(0.9 * 1200, rel=0.1)  # the first run trains as long as each
    assert plan(facts(images=40), minutes=1200)[0].folds.repeats == 1  # too few for several balanced splits


def test_the_first_run_is_a_short_hold_out():
    clock = Clock(total=3600, first=360, main=2000, predicting=60, rest=60, draw=0.1)
    _, short = plan(facts(images=3000))
    train = {"minutes": 6.0, "learning_rate": 1e-3, "encoder_learning_rate": 5e-4}
    assert first_run(short, clock, facts(images=3000)) == {"name": "planned_first", "train": train}
    _, long = plan(facts(images=300), minutes=600)
    folds = {"kind": "hold_out", "share": 0.25, "count": 2, "repeats": 1}  # 75 of 300 images
    assert first_run(long, clock, facts(images=300))["folds"] == folds
    assert "folds" not in first_run(long, clock, facts(images=3))  # one image held out would leave a part without any


def test_images_of_101_px_are_resized_to_96_or_with_much_time_to_128():
    config, draft = plan(facts(size=(101, 101), images=20_000), minutes=30)
    assert config.model.resize.size == (96, 96)
    assert config.train.crop_size is None
    assert "38%" in draft.reasons()["model.resize"]
    long, draft = plan(facts(size=(101, 101)), minutes=60)
    assert long.model.resize.size == (128, 128)
    assert "enlarged" in draft.reasons()["model.resize"]


@pytest.mark.parametrize("size", [(161, 160), (96, 160)])
def test_larger_images_and_those_of_multiples_are_not_enlarged(size):
    config, _ = plan(facts(size=size), minutes=60)
    assert config.model.resize is None or config.model.resize.size <= size


def test_whole_images_shrink_when_the_budget_is_short():
    long, _ = plan(facts(size=(320, 240)), minutes=60)
    assert long.model.resize is None  # 320x256: 6 % filler
    short, _ = plan(facts(size=(320, 240)), minutes=8)
    assert short.model.resize is not None
    assert short.model.resize.size < (320, 256)
    assert all(side % 32 == 0 for side in short.model.resize.size)


def test_small_objects_forbid_a_resize():
    found = facts(size=(512, 512), classes=(one_class(width_px=(3.0, 5.0, 9.0)),))
    config, draft = plan(found, minutes=12)
    assert config.model.resize is None
    assert config.train.crop_size == (192, 192)
    assert "3 px wide" in draft.reasons()["train.crop_size"]


def test_small_objects_are_given_up_before_a_training_of_few_steps():
    found = facts(images=300, size=(360, 480), classes=(one_class(width_px=(1.0, 2.0, 9.0)), one_class("car")))
    # 20 images of 192x192 px a second, so 5.5 of 320x416: 1,600 of them, 400 steps of 4, take about 5 minutes.
    long, _ = plan(found, minutes=10)
    assert long.model.resize.size == (320, 416)
    short, draft = plan(found, minutes=5)
    height, width = short.model.resize.size
    draws = 60 * short.train.minutes * 20 * 192**2
    assert draws / (320 * 416) < 1600
    assert draws / (height * width) >= 0.95 * 2400  # what every other size must leave; views take some time
    assert height % 32 == width % 32 == 0
    assert "fewer than 400 steps" in draft.reasons()["model.resize"]


def test_images_of_many_forms_are_cropped():
    sizes = {(250, 400): 500, (400, 110): 500}
    config, _ = plan(facts(sizes=sizes, test_sizes=sizes))
    assert config.train.crop_size is not None
    assert config.train.crop_size[1] <= 128  # a tenth of filler at most: the narrow images are 110 px wide


def test_flips_follow_the_symmetry():
    config, _ = plan(facts())
    assert config.train.flips == ("horizontal",)
    assert config.inference.tta == ("hflip", "scale1.25")
    config, _ = plan(facts(symmetry={"horizontal": (0.003, 500), "vertical": (0.003, 500)}))
    assert config.train.flips == ("horizontal", "vertical")
    config, _ = plan(facts(symmetry={"horizontal": (0.9, 500), "vertical": (0.9, 500)}))
    assert config.train.flips == ()
    assert config.inference.tta == ("scale1.25",)


def test_views_stay_cheap():
    def views(tests, minutes, size=(256, 256)):
        """The views of a plan for so many test images, and why."""
        found = facts(size=size, test_images=tests, test_sizes={size: tests})
        config, draft = plan(found, minutes=minutes)
        return config.inference.tta, draft.reasons()["inference.tta"]

    assert views(2000, 20) == ((), "another view would take too much of the budget")
    assert views(2000, 60) == (("hflip",), "prediction takes 7% of the budget with them")
    assert views(250, 60)[0] == ("hflip", "scale1.25")
    assert views(250, 60, size=(64, 64))[0] == ("hflip",)  # 1.25 times 64 px is rounded to 64 again


def test_rare_classes_and_empty_images():
    classes = (one_class("1", 300), one_class("2", 18))
    config, draft = plan(facts(classes=classes, empty_share=0.7))
    assert config.train.loss.log_dice == 1
    assert config.train.loss.dice == 0
    assert config.train.sampling.non_empty_share == 0.7
    assert config.train.sampling.class_balance == 0.8
    assert config.model.classification_head
    assert "2 (18 images)" in draft.reasons()["train.loss.log_dice"]


@pytest.mark.parametrize(("empty_share", "head"), [(0.39, True), (0.2, False)])
def test_a_classification_head_where_many_images_are_empty(empty_share, head):
    config, _ = plan(facts(empty_share=empty_share))
    assert config.model.classification_head == head
    assert config.train.sampling.non_empty_share is None


def test_common_classes_keep_the_defaults():
    config, _ = plan(facts())
    assert config.train.loss == type(config.train.loss)()
    assert config.train.sampling.non_empty_share is None
    assert not config.model.classification_head


def test_batches_shrink_for_enough_steps_and_with_them_the_rates():
    large, _ = plan(facts(images=3000), minutes=120)
    slow = replace(CPU_SPEED, step=0.25)
    small, _ = plan(facts(images=3000), minutes=10, speed=slow)
    assert large.train.batch_size == 16
    assert large.train.learning_rate == pytest.approx(1e-3)
    assert small.train.batch_size < 16
    assert small.train.learning_rate == pytest.approx(1e-3 * (small.train.batch_size / 16) ** 0.5, rel=0.01)
    assert small.train.encoder_learning_rate == pytest.approx(small.train.learning_rate / 2, rel=0.03)


@pytest.mark.parametrize(("step", "minutes"), [(1.2, 9), (1.2, 14)])
def test_few_steps_need_larger_rates(step, minutes):
    slow = replace(CPU_SPEED, step=step)
    config, draft = plan(facts(images=3000), minutes=minutes, speed=slow)
    steps = int(re.search(r"about ([0-9]+) steps", draft.reasons()["train.batch_size"])[1])
    assert config.train.batch_size == 4
    assert 80 < steps < 400
    expected = min(1e-3, 1e-3 * 0.5 * 400 / steps)  # at most the rate of a batch of 16
    assert config.train.learning_rate == pytest.approx(expected, rel=0.05)
    assert config.train.encoder_learning_rate == pytest.approx(config.train.learning_rate / 2, rel=0.05)
    assert f"about {steps})" in draft.reasons()["train.learning_rate"]
    random, _ = plan(facts(images=3000), minutes=minutes, speed=slow, weights={})
    assert random.train.learning_rate == pytest.approx(1.5e-3)  # large already


def test_the_first_run_of_few_steps_has_rates_of_its_own():
    clock = Clock(total=3600, first=100, main=2000, predicting=60, rest=60, draw=0.1)
    eight = ["train.batch_size=8"]
    _, draft = plan(facts(images=3000), overrides=eight)
    # 1,000 images are 125 steps of 8; twice the rate of many steps would be above that of a batch of 16.
    train = {"minutes": 1.67, "learning_rate": 1e-3, "encoder_learning_rate": 5e-4}
    assert first_run(draft, clock, facts(images=3000))["train"] == train
    _, draft = plan(facts(images=3000), overrides=[*eight, "train.learning_rate=0.01"])
    assert first_run(draft, clock, facts(images=3000))["train"] == {"minutes": 1.67, "encoder_learning_rate": 5e-4}


def test_small_sets_draw_their_images_several_times_and_large_ones_a_part():
    few, _ = plan(facts(images=40), minutes=20)
    assert few.train.sampling.draws_per_epoch == 20 * few.train.batch_size
    many, _ = plan(facts(images=20000), minutes=60)
    assert many.train.sampling.draws_per_epoch < 20000
    assert many.train.sampling.draws_per_epoch % many.train.batch_size == 0


def test_no_weights_are_said(capsys):
    config, draft = plan(facts(), weights={})
    assert config.model.encoder_weights is None
    assert config.model.encoder == "tu-mobilenetv3_small_100"
    assert "weights/mobilenet_v2-imagenet.pth" in draft.reasons()["model.encoder_weights"]
    assert "warning" in capsys.readouterr().out


def test_a_gpu_takes_larger_encoders_as_the_budget_grows():
    names = ("resnet34", "tu-tf_efficientnetv2_s", "tu-tf_efficientnetv2_m")
    weights = {name: Weights(name, "imagenet", "will be downloaded") for name in names}
    chosen = [plan(facts(), minutes, GPU, weights)[0].model.encoder for minutes in (10, 60, 600)]
    assert chosen == list(names)


def test_explicit_values_win_and_the_rest_follows():
    overrides = ["train.batch_size=4", "folds.kind=k_fold", "folds.count=3", "train.crop_size=[128, 128]"]
    config, draft = plan(facts(), overrides=overrides)
    assert config.train.batch_size == 4
    assert config.train.learning_rate == pytest.approx(5e-4)
    assert config.folds.models == 3
    assert config.train.crop_size == (128, 128)
    assert draft.reasons()["train.batch_size"] == "set with --set"
    assert config.train.minutes < 60


def test_cuts_for_each_image_need_one_network_and_a_score_of_each_image():
    assert plan(facts())[0].tuning.rule == "all"
    assert plan(facts(images=300), minutes=240)[0].tuning.rule == "all"  # five folds
    three = ["folds.kind=k_fold", "folds.count=3", "folds.repeats=2"]
    assert plan(facts(images=300), minutes=240, overrides=three)[0].tuning.rule == "auto"
    assert plan(facts(), metric="pooled_dice")[0].tuning.rule == "auto"


def test_large_images_are_tiled_and_predicted_one_by_one():
    found = facts(images=50, size=(3000, 3000), classes=(one_class(width_px=(4.0, 9.0, 20.0)),))
    config, _ = plan(found, minutes=600)
    assert config.inference.tile_size == (1024, 1024)
    assert config.inference.batch_size == 2


def test_the_competitions_own_validation_images_are_held_out():
    config, _ = plan(facts(images=3000, valid=400))
    assert config.folds.kind == "valid_folder"


def test_too_short_a_budget_says_what_is_needed_and_that_is_enough():
    found = facts(images=5000, size=(512, 512), classes=(one_class(width_px=(2.0, 4.0, 8.0)),))
    with pytest.raises(UsageError, match="are too few") as error:
        plan(found, minutes=5)
    [needed] = re.findall(r"at least --minutes (\d+)", str(error.value))
    assert 5 < int(needed) < 120
    plan(found, minutes=int(needed))


def test_memory_and_disk():
    with pytest.raises(UsageError, match=r"of memory, but 0\.1 GB are free"):
        plan(facts(), machine=Machine(1, "a CPU", True, ram=GIB // 10, disk=50 * GIB))
    with pytest.raises(UsageError, match="of the disk are free"):
        plan(facts(), machine=Machine(1, "a CPU", True, ram=16 * GIB, disk=GIB // 100))


def test_one_image_and_one_group():
    with pytest.raises(DataError, match="found 1 labelled image"):
        plan(facts(images=1, test_images=4))
    with pytest.raises(DataError, match="of one group"):
        plan(facts(groups=1))
