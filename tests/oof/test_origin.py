"""What OOF files say they were predicted with, and that all of a run must agree."""

from __future__ import annotations

import json

import numpy as np
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment
from maskfold.errors import StaleError
from maskfold.oof.origin import oof_hashes, oof_metadata, oof_origin
from maskfold.oof.store import OofWriter


def config_of(root, count=3):
    return Experiment.model_validate(
        {
            "name": "tiny",
            "output_root": str(root),
            "data": {"format": "rle_csv", "root": "unused", "class_names": ("one",)},
            "folds": {"count": count},
            "inference": {"tta": ("hflip", "vflip")},
        }
    )


def write(config, parts):
    """One OOF file a part, with its metadata."""
    for part, metadata in enumerate(parts):
        path = RunPaths.of(config).oof_parquet(part)
        path.parent.mkdir(parents=True, exist_ok=True)
        with OofWriter(path, 1, metadata) as writer:
            writer.write(f"image{part}", part, np.zeros((1, 3, 2), np.uint8))


def test_an_experiment_says_what_it_was_predicted_with(tmp_path):
    config = config_of(tmp_path)
    write(config, [oof_metadata(config, {f"fold{part}": f"hash{part}"}) for part in range(3)])
    origin = oof_origin(config)
    assert origin.tta == ("hflip", "vflip")
    assert origin.weights == {"fold0": 1 / 3, "fold1": 1 / 3, "fold2": 1 / 3}
    assert origin.checkpoints == {"fold0": "hash0", "fold1": "hash1", "fold2": "hash2"}
    assert origin.combine is None
    assert set(origin.predicted_with) >= {"model.resize", "inference.tile_size"}


def test_files_of_earlier_forms_name_one_model_and_no_networks(tmp_path):
    config = config_of(tmp_path, count=2)
    write(config, [{"checkpoint": "a"}, {"checkpoint": "b"}])
    origin = oof_origin(config)
    assert origin.checkpoints == {"fold0": "a", "fold1": "b"}
    assert (origin.tta, origin.predicted_with, origin.combine) == ((), None, None)
    of_members = [json.dumps({"one": f"o{part}", "two": f"t{part}"}) for part in range(2)]
    write(
        config, [{"checkpoints": of, "weights": '{"one": 0.75, "two": 0.25}', "combine": "logit"} for of in of_members]
    )
    origin = oof_origin(config)
    assert origin.checkpoints == {"one/fold0": "o0", "two/fold0": "t0", "one/fold1": "o1", "two/fold1": "t1"}
    assert origin.weights == {"one": 0.75, "two": 0.25}
    assert origin.combine == "logit"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tta": "hflip"}, r"different TTA \('', 'hflip'\)"),
        ({"predicted_with": "{}"}, "different networks or sizes"),
        ({"combine": "mean"}, "different ways to combine members"),
        ({"weights": "{}"}, "different weights of the members"),
        ({"models": '{"fold0": "other"}'}, "different weights of fold0; run `python src/predict_oof.py"),
    ],
)
def test_parts_that_disagree_are_refused(tmp_path, change, message):
    config = config_of(tmp_path)
    write(config, [{"models": '{"fold0": "a"}'}, {"models": '{"fold1": "b"}'}, {"models": '{"fold0": "a"}'} | change])
    with pytest.raises(StaleError, match=message):
        oof_origin(config)
    write(config, [{"models": '{"fold0": "a"}'}, {"models": '{"fold1": "b"}'}, {"models": '{"fold0": "a"}'}])
    assert oof_origin(config).checkpoints == {"fold0": "a", "fold1": "b"}


def test_missing_parts_are_named(tmp_path):
    config = config_of(tmp_path)
    write(config, [{}, {}, {}])
    assert set(oof_hashes(config)) == {"fold0", "fold1", "fold2"}
    RunPaths.of(config).oof_parquet(1).unlink()
    with pytest.raises(StaleError, match=r"the OOF of folds \[1\] is not there yet"):
        oof_hashes(config)
