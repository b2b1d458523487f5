"""Test images that cannot be read: refused by name before any work, or answered with empty masks and named."""

import pandas as pd
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.data.opening import open_competition
from maskfold.data.validation import with_channels
from maskfold.errors import DataError
from maskfold.stages.export_bundle import export_bundle
from maskfold.stages.make_submission import make_submission
from maskfold.stages.submit_offline import submit_test_images
from support.bundled_run import inputs_of, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of random networks with its answer, two of whose twelve test images are damaged thereafter."""
    config = write_run(tmp_path_factory.mktemp("home"))
    make_submission(config, open_competition(config.data, config.model.in_channels))
    answer = RunPaths.of(config).submission("image").read_text()
    images = sorted(inputs_of(config)[0].iterdir())
    images[3].write_bytes(images[3].read_bytes()[:400])  # cut off; its header still says its size
    images[7].write_bytes(b"")
    return config, answer, [images[3].name, images[7].name]


def opened(config, on_bad_image):
    return open_competition(config.data, config.model.in_channels, on_bad_image)


def rows_of(text):
    return {tuple(line.rsplit(",", 1)[0].split(",")): line.rsplit(",", 1)[1] for line in text.splitlines()[1:]}


def test_strict_names_all_of_them_and_the_old_answer_stays(run):
    config, answer, bad = run
    with pytest.raises(DataError) as error:
        opened(config, "strict")
    assert len(error.value.problems) == 2
    assert all(any(name in line for line in error.value.problems) for name in bad)
    assert all(line.endswith("--on-bad-image empty") for line in error.value.problems)
    assert RunPaths.of(config).submission("image").read_text() == answer


def test_empty_answers_them_with_nothing_and_all_others_as_before(run, tmp_path, capsys):
    config, answer, bad = run
    competition = opened(config, "empty")
    assert sorted(competition.unreadable) == bad
    sizes = competition.test_sizes()
    assert len(sizes) == 12 and len(competition.readable_test) == 10
    assert sizes[bad[0]] == sizes[bad[1]] == (64, 128)
    make_submission(config, competition)
    assert capsys.readouterr().out.count("gets empty masks") == 2
    paths = RunPaths.of(config)
    found, before = rows_of(paths.submission("image").read_text()), rows_of(answer)
    assert list(found) == list(before)
    assert all(not text for key, text in found.items() if key[0] in bad)
    # Other images may share a batch now, which may change the last bit of a probability, but not the share of pixels.
    same = [found[key] == text for key, text in before.items() if key[0] not in bad]
    assert sum(same) >= 0.9 * len(same)
    table = pd.read_csv(paths.bad_images_csv)
    assert table["image_id"].tolist() == bad and table["reason"].str.contains("cannot be decoded|empty").all()
    make_submission(config, opened(config, "empty"))
    assert "up to date, skipped" in capsys.readouterr().out
    images = inputs_of(config)[0]
    bundle = export_bundle(config, tmp_path / "bundle")
    submit_test_images(bundle, images, inputs_of(config)[1], tmp_path / "out.csv", on_bad_image="empty")
    assert (tmp_path / "out.csv").read_text() == paths.submission("image").read_text()
    assert (tmp_path / "out.bad_images.csv").read_text() == paths.bad_images_csv.read_text()


def test_images_of_other_channels_cannot_be_read_either_and_not_all_may_fail(run, tiny_competition):
    assert with_channels(tiny_competition, 3, "empty") is tiny_competition
    with pytest.raises(DataError, match="expected 4 channels"):
        with_channels(tiny_competition, 4, "empty")
    config, _, _ = run
    for image in inputs_of(config)[0].iterdir():
        image.write_bytes(b"")
    with pytest.raises(DataError, match="no test image can be read"):
        opened(config, "empty")
