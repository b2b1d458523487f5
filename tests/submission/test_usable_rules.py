"""Rules are used with the models, the settings and the classes they were tuned on; anything else is named."""

from __future__ import annotations

import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.errors import StaleError, UsageError
from maskfold.rules.rules import ComponentRule, MaskRule
from maskfold.submission.usable_rules import checked_artefact
from support.finished_run import tiny_config
from support.random_run import write_rules

RULES = [MaskRule(threshold=100 + index, min_area_px=9) for index in range(4)]
TWO = {"fold0": 0.5, "fold1": 0.5}


@pytest.fixture
def config(tmp_path):
    """A run whose models are files of a few letters: nothing here loads them."""
    config = tiny_config(tmp_path, inference={"tta": ("hflip",)})
    for number in range(2):
        path = RunPaths.of(config).model(number)
        path.parent.mkdir(parents=True)
        path.write_text(f"weights {number}")
    return config


def test_rules_of_these_models_are_used(config):
    write_rules(config, RULES)
    assert checked_artefact(config).rules == tuple(RULES)
    assert checked_artefact(config, RunPaths.of(config).postprocess_json).rules == tuple(RULES)


def test_weights_may_be_unequal_and_add_up_nearly_to_one(config):
    for weights in ({"fold0": 0.25, "fold1": 0.75}, {"fold0": 0.0, "fold1": 1.0}, {"fold0": 0.5, "fold1": 0.5000009}):
        write_rules(config, RULES, ensemble_weights=weights)
        assert checked_artefact(config).ensemble_weights == weights


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ensemble_weights": {"fold0": 1.0}}, "ensemble_weights: of fold0, expected fold0, fold1"),
        ({"ensemble_weights": TWO | {"fold2": 0.0}}, "ensemble_weights: of fold0, fold1, fold2, expected fold0, fold1"),
        ({"ensemble_weights": {}}, "ensemble_weights: of nothing, expected fold0, fold1"),
        ({"ensemble_weights": {"fold0": -0.5, "fold1": 1.5}}, "none may be negative and the sum must be 1"),
        ({"ensemble_weights": {"fold0": 0.5, "fold1": 0.50001}}, "none may be negative and the sum must be 1"),
        ({"ensemble_weights": {"fold0": 0.4, "fold1": 0.5}}, "none may be negative and the sum must be 1"),
        ({"tta": ()}, r"tuned with TTA \[\], the config says \['hflip'\]"),
        ({"tta": ("vflip",)}, r"tuned with TTA \['vflip'\], the config says \['hflip'\]"),
        ({"combine": "mean"}, "its members were combined by mean, the config says None"),
        ({"checkpoints": {"fold0": "other", "fold1": "other"}}, r"other models than the trained ones \(fold0, fold1\)"),
        ({"checkpoints": {}}, r"other models than the trained ones \(fold0, fold1\)"),
        ({"predicted_with": {"inference.pad_multiple": 64}}, "tuned with inference.pad_multiple: 64, the config says"),
        ({"predicted_with": {"inference.view_weights": {}}}, "tuned with inference.view_weights: {}, the config says"),
        ({"predicted_with": {"model.encoder": "aaa"}}, "tuned with model.encoder: aaa, the config says tu-"),
        ({"predicted_with": {"model.encoder": "zzz"}}, "tuned with model.encoder: zzz, the config says tu-"),
    ],
)
def test_what_does_not_fit_is_named_with_the_commands(config, changes, message):
    write_rules(config, RULES, **changes)
    with pytest.raises(
        StaleError, match=f"{message}.*run `python src/predict_oof.py .*tiny.yaml`, then `python src/tune"
    ):
        checked_artefact(config)
    with pytest.raises(UsageError, match=f"does not fit: .*{message}"):
        checked_artefact(config, RunPaths.of(config).postprocess_json)


def test_settings_that_only_one_side_knows_are_not_compared(config):
    write_rules(config, RULES, predicted_with={"model.of_an_earlier_version": 3})
    assert checked_artefact(config).rules == tuple(RULES)


def test_rules_of_one_model_that_changed_since(config):
    write_rules(config, RULES)
    RunPaths.of(config).model(1).write_text("other weights")
    with pytest.raises(StaleError, match=r"other models than the trained ones \(fold1\)"):
        checked_artefact(config)


def test_rules_of_other_classes(config):
    write_rules(config, RULES)
    for names in (("1", "2", "4", "3"), ("1", "2", "3")):
        other = config.model_copy(update={"data": config.data.model_copy(update={"class_names": names})})
        with pytest.raises(StaleError, match=r"for the classes \['1', '2', '3', '4'\], the config names \['1', '2'"):
            checked_artefact(other)


@pytest.mark.parametrize(
    ("exclusive", "fills", "fits"), [(True, True, False), (True, False, True), (False, True, True)]
)
def test_holes_of_exclusive_classes_are_not_filled(config, exclusive, fills, fits):
    config = config.model_copy(update={"data": config.data.model_copy(update={"exclusive": exclusive})})
    write_rules(config, [*RULES[:3], ComponentRule(threshold=100, min_area_px=9, fill_holes=fills)])
    if fits:
        assert checked_artefact(config).rules[3].fill_holes == fills
    else:
        with pytest.raises(StaleError, match="it fills holes, which may hold another class"):
            checked_artefact(config)


def test_rules_that_are_missing_or_were_edited(config):
    with pytest.raises(
        StaleError, match=r"not there yet; run `python src/tune_thresholds\.py --config configs/tiny\.yaml`"
    ):
        checked_artefact(config)
    write_rules(config, RULES)
    path = RunPaths.of(config).postprocess_json
    path.write_text(path.read_text().replace('"threshold": 100', '"threshold": 99'))
    with pytest.raises(StaleError, match="--rules FILE"):
        checked_artefact(config)
    assert checked_artefact(config, path).rules[0].threshold == 99
