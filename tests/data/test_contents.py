"""--verify: contents that changed behind an unchanged size and time are named; all else is not."""

import os

import cv2
import numpy as np
import pytest

from maskfold.command_line import config_of, stage_parser
from maskfold.config import MaskFoldersData
from maskfold.data.contents import verify_contents
from maskfold.data.opening import open_competition
from maskfold.errors import DataError


@pytest.fixture
def root(tmp_path):
    for number in range(3):
        for folder, value in (("train", 90), ("train_mask", 255), ("test", 70)):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f"{number}.png"), np.full((8, 9), value, np.uint8))
    return tmp_path


def rewrite(path, pixels):
    """Other pixels under the same size and time."""
    before = path.stat()
    np.save(path, pixels) if path.suffix == ".npy" else path.write_bytes(pixels)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


@pytest.mark.parametrize("folder", ["train", "train_mask", "test"])
def test_changed_contents_are_named_until_they_are_touched(root, folder):
    path = root / folder / "9.npy"
    for other in ("train", "train_mask", "test"):
        np.save(root / other / "9.npy", np.full((8, 9), 200, np.uint8))
    competition = open_competition(MaskFoldersData(root=str(root)))
    record = root / "runs/contents.csv"
    assert verify_contents(competition, record) == 0
    assert verify_contents(competition, record) == 12
    rewrite(path, np.full((8, 9), 201, np.uint8))
    for _ in range(2):  # the second time too
        with pytest.raises(DataError, match=rf"{folder}/9.npy: its content changed, .* run `touch "):
            verify_contents(competition, record)
    os.utime(path)
    assert verify_contents(competition, record) == 11
    assert verify_contents(competition, record) == 12


def test_a_new_file_or_size_is_no_fault(root):
    competition = open_competition(MaskFoldersData(root=str(root)))
    record = root / "runs/contents.csv"
    verify_contents(competition, record)
    cv2.imwrite(str(root / "train/1.png"), np.zeros((8, 9), np.uint8))
    record.write_text(record.read_text() + "damaged")
    verify_contents(competition, record)
    cv2.imwrite(str(root / "train/3.png"), np.zeros((8, 9), np.uint8))
    cv2.imwrite(str(root / "train_mask/3.png"), np.full((8, 9), 255, np.uint8))
    verify_contents(open_competition(MaskFoldersData(root=str(root))), record)


def test_every_stage_takes_the_option(root, capsys):
    file = root / "x.yaml"
    file.write_text(f"name: x\noutput_root: {root}/out\ndata:\n  format: mask_folders\n  root: {root}\n")
    arguments = ["--config", str(file), "--verify"]
    for compared in (0, 9):
        config_of(stage_parser("x", "").parse_args(arguments))
        told = capsys.readouterr().out
        assert f"out/runs/x/contents.csv holds the contents of all images and masks; {compared} were compared" in told
