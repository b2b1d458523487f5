"""predict.py from a run of random weights: frames as photos, sound kept, damage named, outputs whole."""

import io
import re
import shutil
import sys
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.blending.ensemble import trained_ensemble
from maskfold.config import Experiment
from maskfold.data.images.files import check_images, image_table
from maskfold.errors import DataError, StaleError, UsageError
from maskfold.execution.progress import rated
from maskfold.media.photos import encode_photo, read_photo
from maskfold.media.pipeline import predicted
from maskfold.media.predictor import Predictor
from maskfold.media.request import Request
from maskfold.media.video_reading import open_video
from maskfold.network.trained import model_hashes
from maskfold.rules.rules import ComponentRule, HardGate
from maskfold.rules.tuned import TunedArtefact
from maskfold.stages.predict import predict
from support.blends import as_blend
from support.random_run import write_rules, write_weights
from support.synthetic_video import ball_frame, make_video, read_frames, read_sound

NAMES = ("ball", "sky")


def rules_at(threshold):
    """A gated rule and one that fills holes."""
    return [
        ComponentRule(threshold=threshold, min_area_px=20, gate=HardGate(min_class_prob=0.01)),
        ComponentRule(threshold=threshold, min_area_px=5, fill_holes=True),
    ]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Two random folds that see images at 0.8 of their size, from both sides, and rules with a gate."""
    config = Experiment.model_validate(
        {
            "name": "tiny",
            "output_root": str(tmp_path_factory.mktemp("run")),
            "data": {"format": "rle_csv", "root": "x", "class_names": NAMES},
            "folds": {"count": 2},
            "model": {
                "encoder": "tu-mobilenetv3_small_050",
                "encoder_weights": None,
                "decoder_channels": (16, 16, 8, 8, 8),
                "classification_head": True,
                "resize": {"scale": 0.8},
            },
            "train": {"accelerator": "cpu"},
            "inference": {"batch_size": 4},
        }
    )
    write_weights(config)
    write_rules(config, rules_at(127))
    return config


@pytest.fixture
def blank_rules(config):
    """The same run with rules that find nothing, so that an overlay shows the frame as it is."""
    write_rules(config, rules_at(255))
    yield config
    write_rules(config, rules_at(127))


def ask(config, *inputs, **options):
    predict(config, Request(tuple(str(path) for path in inputs), **options))


def masks_in(folder):
    return [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted(folder.glob("*.png"))]


def test_a_frame_gets_the_mask_that_it_gets_as_a_photo(config, tmp_path):
    clip = make_video(tmp_path / "clip.mp4", frames=10)
    (tmp_path / "frames").mkdir()
    with open_video(clip) as source:
        for number, picture in enumerate(source.pictures(3, None, None), 1):
            (tmp_path / "frames" / f"{number:06d}.png").write_bytes(encode_photo(picture.shown, "png"))
    ask(config, clip, effect="mask", video_format="png", output=tmp_path / "video")
    ask(config, tmp_path / "frames", effect="mask", output=tmp_path / "photos", batch=1)
    of_video, of_photos = masks_in(tmp_path / "video" / "clip_mask"), masks_in(tmp_path / "photos")
    assert len(of_video) == len(of_photos) == 10
    assert all(np.array_equal(*pair) for pair in zip(of_video, of_photos, strict=True))
    shares = [mask.any(axis=2).mean() for mask in of_video]
    assert min(shares) > 0.02, "the masks show something"
    assert max(shares) < 0.98, "and leave something out"


@pytest.mark.parametrize("blended", [False, True])
def test_probabilities_are_those_of_the_submission(config, tmp_path, blended):
    alone = config.model_copy(update={"inference": config.inference.model_copy(update={"batch_size": 1})})
    weights = {"fold0": 0.25, "fold1": 0.75}
    if blended:
        other = alone.model_copy(update={"inference": alone.inference.model_copy(update={"tta": ()})})
        members = (alone, other.model_copy(update={"name": "tiny2"}))
        shutil.copytree(RunPaths.of(config).run, RunPaths.of(members[1]).run, dirs_exist_ok=True)
        alone = as_blend(alone, alone.name, members=members, combine="geometric")
        weights = {"tiny": 0.4, "tiny2": 0.6}
    changes = {"ensemble_weights": weights, "checkpoints": model_hashes(alone)}
    tuned = TunedArtefact.read(RunPaths.of(config).postprocess_json).model_copy(update=changes)
    names = ["a.png", "b.png"]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(encode_photo(ball_frame(number), "png"))
    paths = [tmp_path / name for name in names]
    images = image_table(dict(zip(names, paths, strict=True)), check_images(paths)[0])
    expected = list(trained_ensemble(alone, weights).predict_images(images))
    found = [
        answer
        for _, answer in predicted(
            map(partial(read_photo, channels=3), paths), Predictor(alone, tuned, Request(("x",)))
        )
    ]
    assert len(found) == 2
    for ours, theirs in zip(found, expected, strict=True):
        assert np.array_equal(ours.prob, theirs.prob)
        assert np.array_equal(ours.class_prob, theirs.class_prob)


def test_a_blurred_video_keeps_frames_times_and_sound(config, tmp_path, capsys):
    clip = make_video(tmp_path / "clip.mp4", frames=12)
    ask(config, clip, effect="blur", output=tmp_path / "out.mp4")
    before, after = read_frames(clip), read_frames(tmp_path / "out.mp4")
    assert [time for _, time in after] == [time for _, time in before]
    assert after[0][0].shape == before[0][0].shape
    assert np.array_equal(read_sound(clip), read_sound(tmp_path / "out.mp4")), "packets were copied"
    assert "12 frames" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "out.mp4"}


def test_sound_may_be_left_out(config, tmp_path):
    clip = make_video(tmp_path / "clip.mp4", frames=3)
    ask(config, clip, effect="blur", output=tmp_path / "out.mov", mute=True)
    with av.open(str(tmp_path / "out.mov")) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_sound_that_mp4_does_not_hold_is_named_before_any_work(config, tmp_path):
    clip = make_video(tmp_path / "clip.mkv", frames=2, sound="pcm_s16le")
    with pytest.raises(DataError, match=r"clip\.mkv: mp4 cannot hold its sound \(pcm_s16le\); write it as mkv"):
        ask(config, clip, effect="blur", output=tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
    ask(config, clip, effect="blur", output=tmp_path / "mute.mp4", folds=(0,), tta=(), mute=True)
    ask(config, clip, effect="blur", output=tmp_path / "out.mkv", folds=(0,), tta=())
    assert np.array_equal(read_sound(clip), read_sound(tmp_path / "out.mkv"))


def test_variable_rates_odd_sizes_and_silence_pass_through(config, tmp_path):
    times = [0, 40, 50, 200, 210, 400]
    clip = make_video(tmp_path / "clip.mkv", frames=6, size=(65, 47), times=times, sound=None)
    ask(config, clip, effect="overlay", output=tmp_path / "out.mp4")
    frames = read_frames(tmp_path / "out.mp4")
    assert [round(time * 1000) for _, time in frames] == times
    assert frames[0][0].shape == (48, 66, 3)


def test_a_video_that_was_cut_off_is_told_from_a_whole_one(config, tmp_path, capsys):
    clip = make_video(tmp_path / "clip.mkv", frames=100, sound=None)
    ask(config, clip, effect="overlay", output=tmp_path / "whole.mp4", folds=(0,), tta=())
    assert "warning" not in capsys.readouterr().out
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    ask(config, clip, effect="overlay", output=tmp_path / "half.mp4", folds=(0,), tta=())
    said = capsys.readouterr().out
    assert re.search(r"clip\.mkv declares 4\.0 s of pictures, the last could be read at [12]\.\d s", said)


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_phone_videos_are_turned_upright(blank_rules, tmp_path, degrees):
    clip = make_video(tmp_path / "clip.mp4", frames=2, rotation=degrees, sound=None)
    ask(blank_rules, clip, effect="overlay", output=tmp_path / "out.mp4")
    upright = np.rot90(ball_frame(0), degrees // 90)
    shown = read_frames(tmp_path / "out.mp4")[0][0]
    assert shown.shape == upright.shape
    assert np.abs(shown.astype(int) - upright).mean() < 6


@pytest.mark.parametrize("size", [(64, 48), (64, 720)], ids=["BT.601", "BT.709"])
def test_colours_survive(blank_rules, tmp_path, size):
    clip = make_video(tmp_path / "clip.mp4", frames=3, colour=(200, 60, 30), sound=None, size=size)
    ask(blank_rules, clip, effect="overlay", output=tmp_path / "shown.mp4")
    assert np.abs(read_frames(tmp_path / "shown.mp4")[1][0].astype(int) - (200, 60, 30)).max() <= 4


def test_fewer_frames_a_second_and_smaller_ones(config, tmp_path):
    clip = make_video(tmp_path / "clip.mp4", frames=20, rate=20)
    ask(config, clip, effect="mask", frame_rate=Fraction(5), output=tmp_path / "slow.mp4", longest_side=32)
    frames = read_frames(tmp_path / "slow.mp4")
    assert [round(time, 2) for _, time in frames] == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert frames[0][0].shape == (24, 32, 3)


def test_smoothing_follows_slowly(config, tmp_path):
    clip = make_video(tmp_path / "clip.mp4", frames=8)
    ask(config, clip, effect="mask", video_format="png", output=tmp_path / "plain")
    ask(config, clip, effect="mask", video_format="png", output=tmp_path / "smooth", smoothing=0.8)
    plain, smooth = (np.stack(masks_in(tmp_path / name / "clip_mask")) > 0 for name in ("plain", "smooth"))
    assert np.array_equal(plain[0], smooth[0])
    assert np.diff(smooth.astype(int), axis=0).any()
    assert np.abs(np.diff(smooth.astype(int), axis=0)).sum() < np.abs(np.diff(plain.astype(int), axis=0)).sum()


def test_a_stream_comes_from_stdin(config, tmp_path, monkeypatch):
    data = make_video(tmp_path / "clip.mkv", frames=5, form="matroska").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    ask(config, "-", effect="overlay", output=tmp_path / "out")
    frames = read_frames(tmp_path / "out" / "stdin_overlay.mp4")
    assert [round(time, 3) for _, time in frames] == [number / 25 for number in range(5)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"garbage" * 999, "cannot be read as a video"),
        (None, "cannot be read as a video"),
    ],
)
def test_broken_videos_are_named_before_any_work(config, tmp_path, content, said):
    if content is None:
        content = make_video(tmp_path / "whole.mp4", frames=5).read_bytes()[:2500]
    (tmp_path / "broken.mp4").write_bytes(content)
    with pytest.raises(DataError, match=said):
        ask(config, tmp_path / "broken.mp4", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_video_damaged_in_the_middle_leaves_nothing(config, tmp_path):
    clip = make_video(tmp_path / "clip.avi", frames=30, codec="png", sound=None)
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 9000] = b"\0" * 9000
    clip.write_bytes(data)
    with pytest.raises(DataError, match=r"1 of 1 inputs cannot be read:\n.* after frame \d+ .*nothing was written"):
        ask(config, clip, output=tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    make_video(tmp_path / "whole.avi", frames=2, codec="png", sound=None)
    with pytest.raises(DataError, match="1 of 2 inputs cannot be read; the others were written"):
        ask(config, clip, tmp_path / "whole.avi", effect="overlay", output=tmp_path / "both")
    assert {path.name for path in (tmp_path / "both").iterdir()} == {"whole_overlay.mp4", "tiny_class_colours.csv"}


def test_a_legend_names_the_class_of_each_colour(config, tmp_path):
    (tmp_path / "a.png").write_bytes(encode_photo(ball_frame(0), "png"))
    ask(config, tmp_path / "a.png", effect="mask", output=tmp_path / "out", folds=(0,), tta=())
    legend = pd.read_csv(tmp_path / "out" / "tiny_class_colours.csv").set_index("class")
    assert legend.loc["sky"].tolist() == [30, 150, 240, "#1e96f0"]
    colours = {tuple(row) for row in legend[["red", "green", "blue"]].to_numpy()} | {(0, 0, 0)}
    mask = cv2.imread(str(tmp_path / "out" / "a_mask.png"))[..., ::-1].reshape(-1, 3)
    assert {tuple(pixel) for pixel in np.unique(mask, axis=0)} <= colours
    ask(config, tmp_path / "a.png", effect="mask", output=tmp_path / "one", classes=("sky",), folds=(0,), tta=())
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["a_mask.png"]


def test_photos_that_turn_out_damaged_are_left_out_and_named(config, tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(encode_photo(ball_frame(0), "png"))
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:300])
    with pytest.raises(DataError, match=r"1 of 3 inputs cannot be read; the others were written:\n.*b.png"):
        ask(config, tmp_path / "*.png", effect="cutout", output=tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_cutout.png", "c_cutout.png"]
    assert cv2.imread(str(tmp_path / "out" / "a_cutout.png"), cv2.IMREAD_UNCHANGED).shape == (48, 64, 4)


def test_a_photo_of_many_pixels_goes_in_tiles(config, tmp_path, monkeypatch):
    from maskfold.media import predictor
    from maskfold.network.model import SegmentationModel

    monkeypatch.setattr(predictor, "WHOLE_PX", 128 * 128)
    monkeypatch.setattr(predictor, "TILE_SIZE", (128, 128))
    monkeypatch.setattr(predictor, "TILE_OVERLAP", 32)
    sizes = []
    forward = SegmentationModel.forward
    monkeypatch.setattr(
        "maskfold.network.model.SegmentationModel.forward",
        lambda self, pixels: sizes.append(tuple(pixels.shape[2:])) or forward(self, pixels),
    )
    (tmp_path / "large.png").write_bytes(encode_photo(ball_frame(0, (400, 300)), "png"))
    ask(config, tmp_path / "large.png", effect="mask", output=tmp_path / "out.png", folds=(1,), tta=())
    assert cv2.imread(str(tmp_path / "out.png")).shape == (300, 400, 3)
    assert set(sizes[1:]) == {(128, 128)}  # after the trial of a network being built
    sizes.clear()
    ask(config, tmp_path / "large.png", effect="mask", output=tmp_path / "small.png", folds=(1,), network_side=64)
    assert set(sizes[1:]) == {(64, 64)}  # 48x64, padded


def test_what_the_run_lacks_is_said_with_the_command(config, tmp_path):
    (tmp_path / "a.png").write_bytes(encode_photo(ball_frame(0), "png"))
    untrained = config.model_copy(update={"name": "fresh"})
    with pytest.raises(StaleError, match=r"python src/train.py --config configs/fresh.yaml"):
        ask(untrained, tmp_path / "a.png")
    for options, said in (
        ({"classes": ("bal",)}, "--class: found bal, the run has ball, sky; did you mean ball?"),
        ({"folds": (2,)}, r"--folds: tiny has the folds 0 to 1, found \[2\]"),
        ({"tta": ("flip",)}, "--tta: tta: expected hflip, .*found 'flip'"),
    ):
        with pytest.raises(UsageError, match=said):
            ask(config, tmp_path / "a.png", output=tmp_path / "out", **options)
    with pytest.raises(DataError, match=r"beach.jpg: cannot be read"):
        ask(config, tmp_path / "a.png", effect="replace", background=str(tmp_path / "beach.jpg"))
    assert not (tmp_path / "out").exists()


def test_untuned_runs_are_sent_to_tuning(config, tmp_path):
    (tmp_path / "a.png").write_bytes(encode_photo(ball_frame(0), "png"))
    rules = RunPaths.of(config).postprocess_json
    text = rules.read_text()
    rules.unlink()
    try:
        with pytest.raises(StaleError, match=r"tune_thresholds.py"):
            ask(config, tmp_path / "a.png")
    finally:
        Path(rules).write_text(text)


def test_a_bar_passes_everything_on():
    assert list(rated(iter([1, 2, 3]), None, "clip.mp4", "frames")) == [1, 2, 3]
