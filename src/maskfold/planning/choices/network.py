"""Which network is trained: its encoder, the weights it starts from, its decoder and channels."""

from __future__ import annotations

from collections.abc import Mapping

from maskfold.planning.constants import CPU_DECODER, CPU_ENCODERS, GPU_ENCODERS, HEAD_SHARE, RANDOM_ENCODER
from maskfold.planning.draft import Draft
from maskfold.planning.facts.fingerprint import Fingerprint
from maskfold.planning.machine import Machine
from maskfold.planning.weights_at_hand import FOLDER, Weights


def preferred(machine: Machine, minutes: float) -> tuple[str, ...]:
    """The encoders that suit a machine and a budget, best first."""
    if not machine.gpus:
        return CPU_ENCODERS
    return next(names for least, names in sorted(GPU_ENCODERS.items(), reverse=True) if minutes >= least)


def choose_network(
    draft: Draft, facts: Fingerprint, machine: Machine, minutes: float, weights: Mapping[str, Weights]
) -> None:
    """Choose the keys of `model`, but for the resize."""
    names = preferred(machine, minutes)
    known = [name for name in (*names, *weights) if name in weights]
    cores = f"{machine.cores} core" + ("" if machine.cores == 1 else "s")
    place = f"a GPU for {minutes:g} minutes" if machine.gpus else f"a CPU with {cores}"
    if known:
        encoder = draft.choose("model.encoder", known[0], f"suits {place}, and its pretrained weights are at hand")
        found = weights.get(str(encoder))
        value, origin = (found.value, found.origin) if found else (None, f"no weights of {encoder} are at hand")
        draft.choose("model.encoder_weights", value, origin)
    else:
        file = f"{FOLDER}/{names[0]}-imagenet.pth"
        draft.choose("model.encoder", RANDOM_ENCODER, "small, as it starts from random weights")
        lacking = f"none at hand and no download possible; {file} next to the data or in the repository would help much"
        draft.choose("model.encoder_weights", None, lacking)
        print(f"plan: warning: pretrained weights: {lacking}", flush=True)
    if not machine.gpus:
        draft.choose("model.decoder_channels", CPU_DECODER, "half of smp's: a light decoder for a CPU")
    if facts.empty_share >= HEAD_SHARE:
        reason = f"{facts.empty_share:.0%} of the images are empty: tells tuning which masks to empty (docs/results.md)"
        draft.choose("model.classification_head", True, reason)
    _choose_channels(draft, facts)


def _choose_channels(draft: Draft, facts: Fingerprint) -> None:
    counts = set(facts.channels)
    if counts <= {1, 3, 4}:
        if facts.channels.keys() == {4}:
            draft.choose("model.in_channels", 3, "transparency is left out")
        return  # grey images are read as RGB, which pretrained weights expect
    if len(counts) == 1:
        [count] = counts
        draft.choose("model.in_channels", count, "as the files have")
