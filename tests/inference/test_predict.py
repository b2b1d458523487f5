"""From images to probabilities: sizes, rounding, TTA, and the mean over models."""

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from maskfold.config import Experiment, InferenceConfig, ModelConfig, Resize, RleCsvData, TrainConfig
from maskfold.errors import InferenceError
from maskfold.inference.batches import (
    BatchDataset,
    ImageBatch,
    PixelBatches,
    batch_loader,
    loader_workers,
    plan_batches,
)
from maskfold.inference.predict import Ensemble, original_size_maps
from maskfold.inference.runtime import Runtime, fast_bf16
from maskfold.network.model import Outputs

CPU = Runtime(torch.device("cpu"), bf16=False)


class Brightness(torch.nn.Module):
    """A network whose logit for class 0 is what grey is above 128, in tenths; class 1 its negative."""

    intensity = None
    is_exclusive = False

    def __init__(self, gain=0.1):
        super().__init__()
        self.gain = gain

    def forward(self, pixels):
        logit = (pixels.float().mean(1, keepdim=True) - 128) * self.gain
        return Outputs(torch.cat([logit, -logit], 1), logit.mean((2, 3)).repeat(1, 2))


class LeftHalf(torch.nn.Module):
    """A network that says yes to the left half of whatever it sees."""

    intensity = None
    is_exclusive = False

    def forward(self, pixels):
        logits = torch.full((len(pixels), 1, *pixels.shape[2:]), -20.0)
        logits[..., : pixels.shape[3] // 2] = 20.0
        return Outputs(logits, None)


def config_of(classes=2, **sections):
    names = tuple(str(number) for number in range(classes))
    train = TrainConfig(precision="32", accelerator="cpu", workers=0)
    return Experiment(name="x", data=RleCsvData(root="x", class_names=names), train=train, **sections)


def predict(competition, model, config, weights=(1.0,)):
    models = model if isinstance(model, list) else [model]
    return {p.image_id: p for p in Ensemble.of(config, models, list(weights)).predict_images(competition.test)}


def test_probabilities_come_back_at_every_original_size(tiny_competition):
    config = config_of(inference=InferenceConfig(tta=()))
    predictions = predict(tiny_competition, Brightness(), config)
    for row in tiny_competition.test.itertuples():
        prob = predictions[row.image_id].prob
        assert (prob.shape, prob.dtype) == ((2, row.height, row.width), np.uint8)


def test_values_are_rounded_to_nearest(tiny_competition):
    config = config_of(inference=InferenceConfig(tta=()))
    prediction = predict(tiny_competition, Brightness(), config)["test0.png"]
    from maskfold.data.images.decoding import read_image

    grey = read_image(tiny_competition.test["path"][0], 1)[..., 0].astype(np.float64)
    expected = np.rint(255 / (1 + np.exp(-(grey - 128) / 10)))
    assert np.array_equal(prediction.prob[0], expected.astype(np.uint8))
    assert prediction.class_prob.shape == (2,)


def test_what_is_certain_is_0_or_255(tiny_competition):
    config = config_of(inference=InferenceConfig(tta=()))
    sure = Brightness(gain=0.0)
    sure.forward = lambda pixels: Outputs(torch.stack([pixels[:, 0] * 0.0 - 60, pixels[:, 0] * 0.0 + 60], 1), None)
    prob = predict(tiny_competition, sure, config)["test0.png"].prob
    assert (prob[0] == 0).all() and (prob[1] == 255).all()


def test_views_are_turned_back(tiny_competition):
    config = config_of(inference=InferenceConfig(tta=("hflip", "vflip"), batch_size=2))
    plain = config_of(inference=InferenceConfig(tta=()))
    turned, straight = (predict(tiny_competition, Brightness(), c) for c in (config, plain))
    for image_id in straight:
        assert np.abs(turned[image_id].prob.astype(int) - straight[image_id].prob).max() <= 1


def test_the_mean_over_views_is_a_mean(tiny_competition):
    config = config_of(classes=1, inference=InferenceConfig(tta=("hflip",)))
    prob = predict(tiny_competition, LeftHalf(), config)["test1.png"].prob
    assert set(np.unique(prob)) == {128}  # 0.5 is 127.5, and halves go to the even number


def test_views_count_with_their_weights(tiny_competition):
    inference = InferenceConfig(tta=("hflip",), view_weights={"image": 3.0, "hflip": 1.0})
    for prediction in predict(tiny_competition, LeftHalf(), config_of(1, inference=inference)).values():
        middle = prediction.prob.shape[2] // 2
        # 3 of 4 parts say left, the flipped one says right: 191.25 and 63.75 of 255. Padding moves the middle.
        assert set(np.unique(prediction.prob[0, :, : middle - 16])) <= {191}
        assert set(np.unique(prediction.prob[0, :, middle + 16 :])) <= {64}


def test_a_view_without_weight_is_not_predicted(tiny_competition):
    inference = InferenceConfig(tta=("hflip",), view_weights={"hflip": 0.5})
    network = LeftHalf()
    seen = []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    predictions = predict(tiny_competition, network, config_of(1, inference=inference))
    assert sum(seen) == len(predictions) == 5
    assert all(prediction.prob[0, :, -8:].min() == 255 for prediction in predictions.values())


def test_models_count_with_their_weights(tiny_competition):
    config = config_of(inference=InferenceConfig(tta=()))
    yes, no = Brightness(gain=0.0), Brightness(gain=0.0)
    yes.forward = lambda pixels: Outputs(torch.full((len(pixels), 2, *pixels.shape[2:]), 20.0), None)
    no.forward = lambda pixels: Outputs(torch.full((len(pixels), 2, *pixels.shape[2:]), -20.0), None)
    prob = predict(tiny_competition, [yes, no], config, weights=(0.8, 0.2))["test0.png"].prob
    assert set(np.unique(prob)) == {204}


def test_resized_images_come_back_near_what_they_were(tiny_competition):
    config = config_of(inference=InferenceConfig(tta=()), model=ModelConfig(resize=Resize(scale=2.0)))
    plain = config_of(inference=InferenceConfig(tta=()))
    resized, straight = (predict(tiny_competition, Brightness(), c) for c in (config, plain))
    square = np.s_[0, 14:26, 24:36]
    assert resized["test0.png"].prob.shape == straight["test0.png"].prob.shape
    assert (resized["test0.png"].prob[square] == 255).all()


def test_a_map_larger_than_its_image_is_shrunk_over_all_its_pixels():
    # To half the width, a pixel at distance d of the centre counts max(0, 1 - d / 2): 3/4, 3/4 and 1/4 at the border.
    prob = torch.zeros(1, 1, 2, 6)
    prob[..., 2] = 1  # the padding on the right counts nowhere
    prob[..., 4:] = 1
    batch = ImageBatch(["a"], torch.zeros(1, 3, 2, 6, dtype=torch.uint8), [(2, 2)], [(2, 4)])
    [[rows]] = original_size_maps(prob, batch)
    assert rows.tolist() == [[round(255 / 7), round(255 * 3 / 7)]] * 2


def test_batches_hold_images_of_one_padded_size():
    sizes = [(40, 64), (64, 64), (50, 90), (33, 33), (64, 64)]
    assert plan_batches(sizes, 2, 32) == [[0, 1], [2], [3, 4]]


def loader_of(images, config, rank=0, world=1):
    device = torch.device("cpu")
    return batch_loader(images, config.model, config.inference, config.train.workers, device, rank, world)


def test_pixels_of_the_batches_of_one_size(tiny_competition):
    # 40x64 and 64x64 become 64x64, 50x90 becomes 64x96; three images a batch.
    data = BatchDataset(tiny_competition.test, ModelConfig(), 3, 32)
    every, square, wide = (PixelBatches(data, size) for size in (None, (64, 64), (64, 96)))
    assert [[name[4] for name in ids] for ids, _ in every] == [["0", "1", "3"], ["2"], ["4"]]
    assert [[name[4] for name in ids] for ids, _ in square] == [["0", "1", "3"], ["4"]]
    [(ids, pixels)] = wide
    assert ids == ["test2.png"] and pixels.shape == (1, 3, 64, 96) and pixels.dtype == np.uint8
    assert (len(every), len(square), len(wide), len(PixelBatches(data, (96, 64)))) == (3, 2, 1, 0)
    grey = cv2.imread(tiny_competition.test["path"][2], cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(pixels[0, :, :50, :90], np.stack([grey] * 3))


@pytest.mark.parametrize(
    ("images", "batch_size", "world", "lengths"),
    [
        (5, 2, 1, [[2, 2, 1]]),
        (5, 16, 1, [[5]]),
        (5, 16, 2, [[2, 1], [2]]),  # at most half of five images a batch, so that both processes have one
        (2, 16, 2, [[1], [1]]),
        (1, 16, 1, [[1]]),
        (7, 2, 3, [[2, 1], [2], [2]]),
    ],
)
def test_every_process_takes_its_share_of_the_batches(tiny_competition, images, batch_size, world, lengths):
    one_size = tiny_competition.train[tiny_competition.train["height"] == 64].head(1)
    table = pd.concat([one_size.assign(image_id=f"i{number}") for number in range(images)], ignore_index=True)
    config = config_of(inference=InferenceConfig(batch_size=batch_size))
    loaders = [loader_of(table, config, rank, world) for rank in range(world)]
    batches = [[batch.image_ids for batch in loader] for loader in loaders]
    assert [[len(names) for names in own] for own in batches] == lengths
    names = sorted(name for own in batches for batch in own for name in batch)
    assert names == sorted(table["image_id"])


@pytest.mark.parametrize(
    ("device", "workers", "cores", "expected"),
    [
        ("cuda", None, 16, 4),
        ("cuda", None, 2, 2),
        ("cpu", None, 16, 1),
        ("cpu", 0, 16, 0),
        ("cuda", 7, 2, 7),
        ("cuda", None, 1, 1),
    ],
)
def test_processes_that_load_images(monkeypatch, device, workers, cores, expected):
    monkeypatch.setattr("maskfold.inference.batches.available_cores", lambda: cores)
    assert loader_workers(workers, torch.device(device)) == expected


class Large(Brightness):
    """Brightness by way of values that fp16 cannot hold."""

    def forward(self, pixels):
        large = torch.conv2d(pixels.float(), torch.full((1, 3, 1, 1), 1000.0))
        logit = (large / 3000 - 128) * self.gain
        return Outputs(torch.cat([logit, -logit], 1), None)


def test_a_batch_that_overflows_in_fp16_is_predicted_in_float32(tiny_competition):
    config = config_of(inference=InferenceConfig(tta=()))
    exact = predict(tiny_competition, Large(), config)
    half = config.model_copy(update={"train": config.train.model_copy(update={"precision": "fp16"})})
    found = predict(tiny_competition, Large(), half)
    assert any(prediction.prob.min() > 0 for prediction in exact.values())
    for image_id, prediction in exact.items():
        np.testing.assert_array_equal(found[image_id].prob, prediction.prob)


def test_no_images_make_no_batch(tiny_competition):
    loader = loader_of(tiny_competition.test[:0], config_of())
    assert list(loader) == []


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
    ids=["torch", "CUDA", "cuDNN", "cuBLAS"],
)
def test_a_batch_too_large_for_the_memory_is_halved(error, tiny_competition, monkeypatch):
    class Small(Brightness):
        def forward(self, pixels):
            if len(pixels) > 1:
                raise error
            return super().forward(pixels)

    config = config_of(inference=InferenceConfig(tta=(), pad_multiple=96))
    whole, halved = (predict(tiny_competition, model, config) for model in (Brightness(), Small()))
    assert all(np.array_equal(whole[name].prob, halved[name].prob) for name in whole)

    def none_left(pixels):
        raise error

    monkeypatch.setattr(model := Brightness(), "forward", none_left)
    with pytest.raises(InferenceError, match=r"image test0.png: GPU out of memory at 96x96 px"):
        predict(tiny_competition, model, config)


def test_other_errors_of_a_network_are_not_taken_for_a_lack_of_memory(tiny_competition, monkeypatch):
    def wrong(pixels):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(model := Brightness(), "forward", wrong)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        predict(tiny_competition, model, config_of(inference=InferenceConfig(tta=())))


def test_tiles_answer_as_the_whole_image_where_pixels_stand_alone(tiny_competition):
    config = config_of(inference=InferenceConfig(tta=("hflip",), tile_size=(64, 64), tile_overlap=16))
    plain = config_of(inference=InferenceConfig(tta=("hflip",)))
    tiled, whole = (predict(tiny_competition, Brightness(), c) for c in (config, plain))
    for name in whole:
        assert np.abs(tiled[name].prob.astype(int) - whole[name].prob).max() <= 1


class Seen(Brightness):
    """A network that notes the (height, width) of everything it is given."""

    def __init__(self):
        super().__init__()
        self.sizes = set()

    def forward(self, pixels):
        self.sizes.add(tuple(pixels.shape[2:]))
        return super().forward(pixels)


def test_the_config_names_the_height_of_a_tile_first(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (160, 224), dtype=np.uint8))
    images = pd.DataFrame([("a.png", str(path), 160, 224)], columns=["image_id", "path", "height", "width"])
    tiles = InferenceConfig(tta=("hflip", "vflip"), tile_size=(64, 128), tile_overlap=16)
    tiled, whole = Seen(), Seen()
    found = [
        next(Ensemble.of(config_of(inference=inference), [network]).predict_images(images))
        for network, inference in ((tiled, tiles), (whole, InferenceConfig(tta=("hflip", "vflip"))))
    ]
    assert (tiled.sizes, whole.sizes) == ({(64, 128)}, {(160, 224)})
    assert np.abs(found[0].prob.astype(int) - found[1].prob).max() <= 1


@pytest.mark.parametrize("pad_multiple", [32, 64])
def test_padding_is_cut_off_below_and_to_the_right(tmp_path, pad_multiple):
    """Rows and columns of their own brightness, so that any shift, turn or exchange of sides would show."""
    height, width = 40, 70
    grey = (100 + np.arange(height)[:, None] + np.arange(width)[None] // 2).astype(np.uint8)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), grey)
    images = pd.DataFrame([("a.png", str(path), height, width)], columns=["image_id", "path", "height", "width"])
    inference = InferenceConfig(tta=("hflip", "vflip"), pad_multiple=pad_multiple)
    found = next(Ensemble.of(config_of(inference=inference), [Brightness(0.02)]).predict_images(images))
    expected = np.rint(255 / (1 + np.exp(-(grey.astype(float) - 128) * 0.02)))
    assert np.abs(found.prob[0] - expected).max() <= 1


def test_class_probabilities_are_the_weighted_mean_over_models_and_views(tiny_competition):
    def network(present):
        model = Brightness(gain=0.0)
        logits = torch.logit(torch.tensor(present))
        model.forward = lambda pixels: Outputs(
            torch.zeros(len(pixels), 2, *pixels.shape[2:]), logits.repeat(len(pixels), 1)
        )
        return model

    config = config_of(inference=InferenceConfig(tta=("hflip", "vflip")))
    models = [network([0.2, 0.9]), network([0.6, 0.1])]
    for prediction in predict(tiny_competition, models, config, weights=(0.25, 0.75)).values():
        assert prediction.class_prob.tolist() == pytest.approx([0.5, 0.3], abs=1e-6)


@pytest.mark.parametrize(
    ("machine", "avx512_bf16", "amx", "onednn", "expected"),
    [
        ("x86_64", False, False, True, False),  # AVX-512 alone: emulated
        ("x86_64", True, False, True, True),
        ("AMD64", False, True, True, True),
        ("x86_64", False, False, False, False),
        ("aarch64", False, False, True, True),
        ("aarch64", False, False, False, False),
    ],
)
def test_bf16_is_fast_where_a_cpu_has_instructions_for_it(monkeypatch, machine, avx512_bf16, amx, onednn, expected):
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: onednn)
    assert fast_bf16(torch.device("cpu")) is expected
