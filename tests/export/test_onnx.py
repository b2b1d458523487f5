"""Trained folds as ONNX: the same probabilities as torch at any size, or no file at all."""

import copy
import json

import numpy as np
import pytest
import torch

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment
from maskfold.errors import StaleError, UsageError
from maskfold.export import onnx as onnx_export
from maskfold.export.onnx import FoldMean, default_size, export_onnx
from maskfold.network.model import Outputs, load_model
from maskfold.pixels.intensity import Intensity
from support.random_run import write_weights


@pytest.fixture
def config(tmp_path):
    """Two random folds of a small network with a classification head."""
    config = Experiment.model_validate(
        {
            "name": "tiny",
            "output_root": str(tmp_path),
            "data": {"format": "rle_csv", "root": "x", "class_names": ("a", "b")},
            "folds": {"count": 2},
            "model": {
                "encoder": "tu-mobilenetv3_small_050",
                "encoder_weights": None,
                "encoder_depth": 3,  # exporting takes a time in proportion to the layers
                "decoder_channels": (16, 8, 8),
                "classification_head": True,
            },
        }
    )
    write_weights(config)
    return config


def need_onnx():
    pytest.importorskip("onnxscript", reason="install requirements-onnx.txt to test the ONNX export")
    return pytest.importorskip("onnxruntime", reason="install requirements-onnx.txt to test the ONNX export")


def test_the_fold_mean_answers_as_torch_at_any_size(config, tmp_path, capsys):
    runtime = need_onnx()
    path = tmp_path / "mean.onnx"
    export_onnx(config, path, None, (64, 96), "uint8")
    output = capsys.readouterr().out
    assert "64x96 px" in output
    assert "96x160 px" in output
    assert "batch, height, width" in output
    session = runtime.InferenceSession(path)
    images = torch.randint(0, 256, (1, 3, 32, 128), dtype=torch.uint8)
    models = [load_model(RunPaths.of(config).model(fold), config.model, 2).eval() for fold in range(2)]
    with torch.inference_mode():
        single = [model(images) for model in models]
    masks, classes = session.run(["prob", "class_prob"], {"pixels": images.numpy()})
    expected = sum(outputs.mask_logits.sigmoid() for outputs in single) / 2
    assert torch.allclose(torch.from_numpy(masks), expected, atol=1e-4)
    expected = sum(outputs.class_logits.sigmoid() for outputs in single) / 2
    assert torch.allclose(torch.from_numpy(classes), expected, atol=1e-4)
    about = json.loads(session.get_modelmeta().custom_metadata_map["maskfold"])
    assert about["class_names"] == ["a", "b"]


def test_networks_for_deep_images_take_stored_values(config, tmp_path):
    runtime = need_onnx()
    path = RunPaths.of(config).model(0)
    model = load_model(path, config.model, 2)
    model.scale_as(Intensity("uint16", (0.0, 100.0, 0.0), (4095.0, 3000.0, 65535.0)))
    torch.save(model.state_dict(), path)
    with pytest.raises(UsageError, match="--pixels: the network was trained on uint16 images; give --pixels float32"):
        export_onnx(config, tmp_path / "deep.onnx", 0, (64, 96), "uint8")
    export_onnx(config, tmp_path / "deep.onnx", 0, (64, 96), "float32")
    images = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 5000
    with torch.inference_mode():
        expected = load_model(path, config.model, 2).eval()(images).mask_logits.sigmoid()
    session = runtime.InferenceSession(tmp_path / "deep.onnx")
    masks = session.run(["prob"], {"pixels": images.numpy()})[0]
    assert torch.allclose(torch.from_numpy(masks), expected, atol=1e-4)
    about = json.loads(session.get_modelmeta().custom_metadata_map["maskfold"])
    assert about["pixels"].startswith("as uint16 files store them")


def test_several_checkpoints_of_a_fold_are_one_file_too(config, tmp_path, capsys):
    need_onnx()
    path = RunPaths.of(config).model(1)
    states = [torch.load(RunPaths.of(config).model(fold), weights_only=True) for fold in range(2)]
    torch.save(states, path)
    export_onnx(config, tmp_path / "fold1.onnx", 1, (64, 96), "uint8")
    assert "96x160 px: probabilities differ from torch by at most" in capsys.readouterr().out


def test_one_fold_of_one_size_takes_floats_and_a_wrong_answer_leaves_nothing(config, tmp_path, monkeypatch, capsys):
    runtime = need_onnx()
    path = tmp_path / "exports" / "fold1.onnx"
    export_onnx(config, path, 1, (64, 64), "float32", fixed=True)
    assert "free to choose: batch\n" in capsys.readouterr().out
    before = path.read_bytes()
    run = runtime.InferenceSession.run
    monkeypatch.setattr(runtime.InferenceSession, "run", lambda *given: [np.nan * part for part in run(*given)])
    with pytest.raises(UsageError, match="differs from torch by"):
        export_onnx(config, path, 1, (64, 64), "float32", fixed=True)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_random_weights_need_only_be_as_exact_as_in_torch(config, tmp_path, monkeypatch, capsys):
    need_onnx()
    path = tmp_path / "random.onnx"
    monkeypatch.setattr(onnx_export, "TOLERANCE", 0.0)  # as if rounding alone were more than is allowed
    with pytest.raises(UsageError, match="differs from torch by"):
        export_onnx(config, path, 1, (64, 64), "uint8", fixed=True)
    export_onnx(config, path, 1, (64, 64), "uint8", fixed=True, trained=False)
    assert "random weights: float32 differs from float64 by" in capsys.readouterr().out
    path.unlink()
    export = torch.onnx.export

    def export_another(network, *arguments, **options):
        wrong = copy.deepcopy(network)
        with torch.no_grad():
            wrong.models[0].network.segmentation_head[0].bias += 1e-4  # 25 millionths of a probability
        return export(wrong, *arguments, **options)

    monkeypatch.setattr(torch.onnx, "export", export_another)
    with pytest.raises(UsageError, match="differs from torch by"):
        export_onnx(config, path, 1, (64, 64), "uint8", fixed=True, trained=False)
    assert not path.exists()


def test_what_cannot_be_exported_is_said(config, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "PACKAGES", ("no_such_package",))
    with pytest.raises(UsageError, match="no_such_package; install with: pip install -r requirements-onnx"):
        export_onnx(config, tmp_path / "x.onnx", None, (64, 64), "uint8")
    monkeypatch.setattr(onnx_export, "PACKAGES", ())
    with pytest.raises(UsageError, match="multiples of 32, found 64 60"):
        export_onnx(config, tmp_path / "x.onnx", None, (64, 60), "uint8")
    with pytest.raises(UsageError, match="the folds 0 to 1, found 2"):
        export_onnx(config, tmp_path / "x.onnx", 2, (64, 64), "uint8")
    RunPaths.of(config).model(1).unlink()
    with pytest.raises(StaleError, match="no such weights"):
        export_onnx(config, tmp_path / "x.onnx", None, (64, 64), "uint8")
    assert not list(tmp_path.glob("*.onnx"))


def test_the_size_to_trace_with_follows_the_config(config):
    assert default_size(config) == (256, 256)
    crops = config.train.model_copy(update={"crop_size": (64, 320)})
    assert default_size(config.model_copy(update={"train": crops})) == (64, 320)


def test_the_mean_is_a_mean():
    class Constant(torch.nn.Module):
        intensity = None

        def __init__(self, logit):
            super().__init__()
            self.logit = logit

        def forward(self, pixels):
            return Outputs(torch.full((1, 1, 2, 2), self.logit), None)

    [prob] = FoldMean([Constant(100.0), Constant(-100.0), Constant(0.0)])(torch.zeros(1, 3, 2, 2))
    assert prob.unique().tolist() == [0.5]
