"""The mean of checkpoints, by hand."""

import torch

from maskfold.training.checkpoints import chosen_weights, mean_weights


def checkpoint(value, **more):
    return {"state_dict": {"model.weight": torch.full((2,), value), "loss.weight": torch.zeros(1)}, **more}


def test_floats_are_averaged_and_counters_are_not():
    states = [
        {"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(7)},
        {"w": torch.tensor([3.0, 6.0]), "n": torch.tensor(9)},
    ]
    mean = mean_weights(states)
    assert mean["w"].tolist() == [2.0, 4.0]
    assert mean["n"].item() == 7


def test_best_last_and_top(tmp_path):
    kept = {f"/elsewhere/best-00{epoch}.ckpt": torch.tensor(score) for epoch, score in enumerate((0.5, 0.9, 0.7))}
    callbacks = {"history": {}, "best": {"best_k_models": kept}, "last": {"best_k_models": {}}}
    torch.save(checkpoint(9.0, callbacks=callbacks), tmp_path / "last.ckpt")
    for epoch, value in enumerate((1.0, 2.0, 6.0)):
        torch.save(checkpoint(value), tmp_path / f"best-00{epoch}.ckpt")
    chosen = {select: chosen_weights(tmp_path, select) for select in ("best", "last", "top")}
    assert {select: state["weight"][0].item() for select, state in chosen.items()} == {"best": 2, "last": 9, "top": 3}
    assert list(chosen["best"]) == ["weight"]
