"""The softmax over classes and background, as logits that the sigmoid turns into its probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_LOWEST = 1e-6  # probability; far below a step of 8 bits


def against_rest(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The logit of each class's softmax probability, and of the background's, whose own score is 0.

    scores: (B, C, H, W), of any float type. The logit of p is log(p / (1 - p)), a score minus the log of the sum of all
    other exp(score), so everything that expects logits of single classes can take them. The largest is computed from
    the others, as 1 - p has lost its digits there; all others have p of at most 1/2.
    Returns (B, C, H, W) and (B, 1, H, W) float32.
    """
    scores = scores.float()
    every = torch.cat([torch.zeros_like(scores[:, :1]), scores], dim=1)
    top = every.argmax(dim=1, keepdim=True)
    is_top = torch.arange(every.shape[1], device=every.device).view(1, -1, 1, 1) == top
    others = every.masked_fill(is_top, -torch.inf).logsumexp(dim=1, keepdim=True)
    log_prob = every - every.logsumexp(dim=1, keepdim=True)
    of_others = log_prob - torch.log1p(-log_prob.clamp_max(-0.6).exp())  # log(1/2) is -0.69
    logits = torch.where(is_top, every - others, of_others)
    return logits[:, 1:], logits[:, :1]


def mean_scores(scores: Sequence[Tensor]) -> Tensor:
    """Scores (B, C, H, W) float32 of the mean softmax probability of several networks; the background's is 0."""
    every = [torch.cat([torch.zeros_like(each[:, :1]), each], dim=1).float().softmax(dim=1) for each in scores]
    logs = torch.stack(every).mean(dim=0).clamp_min(_LOWEST).log()
    return logs[:, 1:] - logs[:, :1]
