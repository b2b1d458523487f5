"""The softmax as logits of single classes: its probabilities, its gradients, and means of several networks."""

import pytest
import torch

from maskfold.config import ModelConfig
from maskfold.export.onnx import FoldMean
from maskfold.network.exclusive import against_rest, mean_scores
from maskfold.network.model import CheckpointMean, SegmentationModel, build_model, load_model
from maskfold.speed.torch_engine import Probabilities


def maps(*values):
    """(1, C, 1, 1) float32."""
    return torch.tensor(values).view(1, -1, 1, 1)


def test_the_sigmoid_of_the_logits_is_the_softmax():
    logits, background = against_rest(maps(0.0, torch.log(torch.tensor(2.0)).item()))
    # exp: background 1, classes 1 and 2.
    assert logits.sigmoid().flatten().tolist() == pytest.approx([0.25, 0.5])
    assert background.sigmoid().item() == pytest.approx(0.25)
    scores = 4 * torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    softmax = torch.cat([torch.zeros(2, 1, 3, 4), scores], dim=1).softmax(dim=1)
    logits, background = against_rest(scores)
    assert torch.allclose(torch.cat([background, logits], dim=1).sigmoid(), softmax, atol=1e-6)


def test_one_class_is_the_sigmoid():
    logits, background = against_rest(maps(1.5))
    assert (logits.item(), background.item()) == pytest.approx((1.5, -1.5))


def test_extreme_scores_keep_their_digits_and_gradients():
    scores = maps(60.0, -60.0, 59.0).requires_grad_()
    logits, background = against_rest(scores)
    # Each against the largest of the others: 60 - 59, -60 - 60.3, 59 - 60; the background 0 - 60.3.
    assert logits.flatten().tolist() == pytest.approx([1.0, -120.3133, -1.0], abs=1e-4)
    assert background.item() == pytest.approx(-60.3133, abs=1e-4)
    (logits.sum() + background.sum()).backward()
    assert bool(scores.grad.isfinite().all())


def test_the_mean_of_two_softmaxes_by_hand():
    log3 = torch.log(torch.tensor(3.0)).item()
    # Softmax (background, class): 1/2, 1/2 and 1/4, 3/4; their mean is 3/8, 5/8.
    found = mean_scores([maps(0.0), maps(log3)])
    assert found.sigmoid().item() == pytest.approx(5 / 8)


CONFIG = ModelConfig(encoder="mobilenet_v2", encoder_weights=None, encoder_depth=3)


def test_the_weights_say_that_classes_exclude_each_other(tmp_path):
    model = build_model(CONFIG, 3).eval()
    assert "exclusive" not in model.state_dict()
    model.exclude()
    torch.save(model.state_dict(), tmp_path / "model.pt")
    pixels = torch.randint(0, 256, (2, 3, 32, 64), dtype=torch.uint8)
    loaded = load_model(tmp_path / "model.pt", CONFIG, 3).eval()
    with torch.no_grad():
        found = loaded(pixels)
        every = torch.cat([found.background_logits, found.mask_logits], dim=1).sigmoid()
    assert loaded.is_exclusive
    assert torch.allclose(every.sum(dim=1), torch.ones(2, 32, 64), atol=1e-5)


def test_several_checkpoints_are_the_mean_of_their_softmaxes(tmp_path):
    models = [build_model(CONFIG, 2).eval() for _ in range(2)]
    for model in models:
        model.exclude()
    torch.save([model.state_dict() for model in models], tmp_path / "model.pt")
    pixels = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    both = load_model(tmp_path / "model.pt", CONFIG, 2).eval()
    assert isinstance(both, SegmentationModel) and isinstance(both.network, CheckpointMean)
    with torch.no_grad():
        mean = torch.stack([model(pixels).mask_logits.sigmoid() for model in models]).mean(dim=0)
        assert torch.allclose(both(pixels).mask_logits.sigmoid(), mean, atol=1e-5)


@pytest.mark.parametrize("head", [False, True])
def test_exported_and_timed_networks_give_no_map_of_the_background(head):
    model = build_model(CONFIG.model_copy(update={"classification_head": head}), 2).eval()
    model.exclude()
    pixels = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        expected = model(pixels).mask_logits.sigmoid()
        for network in (Probabilities(model), FoldMean([model])):
            found = network(pixels)
            assert [tuple(each.shape) for each in found] == [(1, 2, 32, 32), (1, 2)][: 1 + head]
            assert torch.allclose(found[0], expected, atol=1e-6)


def test_a_classification_head_stays_as_it_is(tmp_path):
    config = CONFIG.model_copy(update={"classification_head": True})
    models = [build_model(config, 2).eval() for _ in range(2)]
    pixels = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        before = torch.stack([model(pixels).class_logits.sigmoid() for model in models])
        for model in models:
            model.exclude()
        assert torch.equal(models[0](pixels).class_logits.sigmoid(), before[0])
        torch.save([model.state_dict() for model in models], tmp_path / "model.pt")
        both = load_model(tmp_path / "model.pt", config, 2).eval()(pixels)
        masks = torch.stack([model(pixels).mask_logits.sigmoid() for model in models]).mean(dim=0)
    assert torch.allclose(both.class_logits.sigmoid(), before.mean(dim=0), atol=1e-5)
    assert torch.allclose(both.mask_logits.sigmoid(), masks, atol=1e-5)
