"""How much each view should count, on the images that the models have not seen."""

import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.blending.choice import BlendChoice
from maskfold.blending.oof_subset import sample_images
from maskfold.blending.scores import BlendScores
from maskfold.config import InferenceConfig
from maskfold.errors import StaleError, UsageError
from maskfold.oof.with_truth import largest_map_px
from maskfold.rules.rules import DEFAULT_RULE
from maskfold.stages.choose_views import choose_views
from maskfold.stages.make_folds import make_folds
from maskfold.stages.predict_oof import predict_oof
from maskfold.submission.usable_rules import checked_artefact
from support.blends import as_blend
from support.random_run import write_rules, write_weights
from support.trainings import config_of


@pytest.fixture
def run(tmp_path, tiny_competition):
    """A run with random weights and folds."""
    config = config_of(tmp_path)
    make_folds(config, tiny_competition)
    write_weights(config)
    return config


def with_inference(config, **values):
    return config.model_copy(update={"inference": InferenceConfig(**values)})


def test_each_view_alone_scores_what_an_oof_of_this_view_scores(run, tiny_competition):
    choice = choose_views(with_inference(run, tta=("vflip",)), tiny_competition, trials=3)
    assert list(choice.weights) == ["image", "vflip"] and sum(choice.weights.values()) == pytest.approx(1)
    assert (choice.sampled_images, choice.images) == (12, 12)
    scores = {row.title: row.tuned for row in choice.scores}
    for weights, title in (({"image": 1.0}, "image alone"), ({"vflip": 1.0}, "vflip alone")):
        one = with_inference(run, tta=("vflip",), view_weights=weights)
        predict_oof(one, tiny_competition)
        files = [[RunPaths.of(one).oof_parquet(fold)] for fold in range(2)]
        sample = sample_images(files, tiny_competition, 2**27, one.seed)
        peaks = BlendScores(sample, "mean", one.tuning, largest_map_px(tiny_competition)).of((1.0,)).peaks
        assert peaks[0] == pytest.approx(scores[title])


def test_the_choice_is_kept_until_something_changes(run, tiny_competition, capsys):
    config = with_inference(run, tta=("hflip",))
    first = choose_views(config, tiny_competition, trials=2)
    assert BlendChoice.read(RunPaths.of(config).views_json) == first
    capsys.readouterr()
    # Weights in the config do not matter: they are what is looked for.
    weighed = with_inference(run, tta=("hflip",), view_weights={"image": 1.0})
    assert choose_views(weighed, tiny_competition, trials=2) == first
    assert "skipped" in capsys.readouterr().out
    write_weights(config, seed=9)
    choose_views(config, tiny_competition, trials=2)
    assert "skipped" not in capsys.readouterr().out


def test_quarter_turns_are_left_out_where_not_all_images_are_squares(run, tiny_competition):
    choice = choose_views(with_inference(run, tta=("rot90",)), tiny_competition, trials=1)
    assert list(choice.weights) == ["image", "rot180"]


def test_without_views_there_is_nothing_to_choose(run, tiny_competition):
    with pytest.raises(UsageError, match="leaves one view"):
        choose_views(with_inference(run, tta=()), tiny_competition)


def test_a_blend_is_sent_to_its_members(run, tiny_competition):
    blend = as_blend(run, "both", members=(run, run.model_copy(update={"name": "y"})))
    with pytest.raises(UsageError, match="name one of x, y"):
        choose_views(blend, tiny_competition)


@pytest.mark.parametrize("tuned_with", [None, {"image": 1.0, "hflip": 2.0}])
@pytest.mark.parametrize("config_says", [None, {"image": 1.0, "hflip": 2.0}])
def test_rules_belong_to_the_weights_of_views_that_they_were_tuned_with(run, tuned_with, config_says):
    recorded = {"model.encoder": run.model.encoder}
    if tuned_with is not None:
        recorded["inference.view_weights"] = tuned_with
    write_rules(run, [DEFAULT_RULE] * 2, predicted_with=recorded)
    config = with_inference(run, view_weights=config_says)
    if tuned_with == config_says:
        checked_artefact(config)
        return
    with pytest.raises(StaleError, match=r"inference\.view_weights"):
        checked_artefact(config)
