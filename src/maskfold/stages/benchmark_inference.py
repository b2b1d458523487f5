"""The speed stage: one network timed in every backend, as a table and a chart."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from maskfold.artefacts.files import whole_folder
from maskfold.artefacts.paths import display
from maskfold.errors import InferenceError
from maskfold.speed.agreement import rules_of
from maskfold.speed.chart import plot_speed
from maskfold.speed.measuring import SpeedRequest, measured
from maskfold.speed.network import Subject
from maskfold.speed.table import print_speed, speed_markdown
from maskfold.speed.test_images import ShownImages, shown_images


def measure_speed(subject: Subject, request: SpeedRequest, out: Path) -> pd.DataFrame:
    """One row a device, backend and batch size, columns as in `table.COLUMNS`; written to `out` and printed.

    out: a folder of speed.csv, speed.md and speed.png, whole or not at all. Raises InferenceError when no backend
    works.
    """
    torch.set_num_threads(request.threads)
    shown = shown_images(subject, request.size, request.images)
    height, width = shown.size
    if request.size is not None and request.size != shown.size:
        print(f"benchmark_inference: {request.size[0]}x{request.size[1]} px is padded to {height}x{width}")
    table = measured(subject, request, shown)
    if (table["note"] != "").all():
        raise InferenceError("no backend could be measured:\n" + "\n".join(f"  {n}" for n in table["note"].unique()))
    title = f"{subject.title}: {height}x{width} px, {request.threads} thread{'s' * (request.threads > 1)}"
    with whole_folder(out) as part:
        table.to_csv(part / "speed.csv", index=False, float_format="%.6g")
        (part / "speed.md").write_text(speed_markdown(table, title), encoding="utf-8")
        plot_speed(table, title, part / "speed.png")
    print_speed(table, title)
    print(_what_dice_is(subject, shown))
    print(f"benchmark_inference: wrote {display(out)}: speed.csv, speed.md, speed.png")
    return table


def _what_dice_is(subject: Subject, shown: ShownImages) -> str:
    count = len(shown.batch.image_ids)
    if not shown.real:
        return f"max Δp: against torch fp32 on the CPU, {count} images of noise; no masks to compare"
    rules = "the tuned rules" if rules_of(subject.config)[1] else "threshold 0.5"
    return f"Dice and max Δp: against torch fp32 on the CPU, {count} of the run's images; masks by {rules}"
