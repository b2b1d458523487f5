"""Decoded images: the same pixels in every mode and process, and a fallback where there is no room."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from maskfold.config import ModelConfig, Resize
from maskfold.data.images.decoding import read_image
from maskfold.data.images.photo import photo_list
from maskfold.errors import DataError
from maskfold.pixels.geometry import resize_image
from maskfold.training.samples import image_cache
from maskfold.training.samples.image_cache import ImageCache


def cache_of(competition, folder, mode, model=None):
    images = competition.train
    sizes = list(zip(images["height"].tolist(), images["width"].tolist(), strict=True))
    return ImageCache([(photo,) for photo in photo_list(images)], sizes, model or ModelConfig(), mode, folder)


def sums(cache):
    return [int(cache.image(index).sum()) for index in range(len(cache.photos))]


@pytest.mark.parametrize("mode", ["ram", "disk", "none", "auto"])
@pytest.mark.parametrize("resize", [None, Resize(scale=0.5)])
def test_every_mode_gives_the_pixels_of_the_file(tiny_competition, tmp_path, mode, resize):
    model = ModelConfig(resize=resize, in_channels=1)
    cache = cache_of(tiny_competition, tmp_path, mode, model)
    for index, row in enumerate(tiny_competition.train.itertuples()):
        size = (row.height, row.width) if resize is None else (row.height // 2, row.width // 2)
        assert np.array_equal(cache.image(index), resize_image(read_image(row.path, 1), size))
    del cache
    assert not list(tmp_path.glob(".images-*"))  # the mapped file goes with its cache


@pytest.mark.parametrize("mode", ["ram", "disk"])
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_other_processes_see_the_same_images(tiny_competition, tmp_path, mode, start):
    cache = cache_of(tiny_competition, tmp_path, mode)
    with multiprocessing.get_context(start).Pool(1) as pool:
        assert pool.apply(sums, (cache,)) == sums(cache)


def test_little_memory_means_no_cache_and_little_shared_memory_a_file(tiny_competition, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(image_cache, "_free_bytes", lambda: 4 * 12 * 40 * 64 * 3)
    assert cache_of(tiny_competition, tmp_path, "auto").mode == "none"
    monkeypatch.setattr(image_cache, "_free_shared_bytes", lambda: 1000)
    assert cache_of(tiny_competition, tmp_path, "ram").mode == "disk"
    assert "has 0 MiB free" in capsys.readouterr().out


def test_a_broken_image_is_named(tiny_competition, tmp_path):
    path = tiny_competition.train["path"][5]
    Path(path).write_bytes(b"no image")
    with pytest.raises(DataError, match=r"train5\.png: cannot be decoded"):
        cache_of(tiny_competition, tmp_path, "ram")
