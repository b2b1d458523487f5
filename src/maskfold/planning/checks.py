"""What is unusual about the data and does not stop a plan: said before anything is trained."""

from __future__ import annotations

from maskfold.planning.constants import UNLIKE_DEVIATIONS
from maskfold.planning.fingerprint import Fingerprint


def warnings_of(facts: Fingerprint) -> list[str]:
    """One line for each class with hardly any image, and for each way in which test images differ from the training."""
    lines = []
    for each in facts.classes:
        if each.images == 0:
            lines.append(f"no image whose masks were read shows class {each.name}; it cannot be learned from none")
        elif each.images == 1:
            lines.append(f"one image shows class {each.name}: it is either learned from or scored on, never both")
    return lines + _unlike(facts)


def _unlike(facts: Fingerprint) -> list[str]:
    """How test images differ from the training images."""
    if facts.test_brightness is None or not facts.test_sizes:
        return []
    lines = []
    mean, deviation = facts.brightness
    apart = abs(facts.test_brightness[0] - mean)
    if apart > UNLIKE_DEVIATIONS * max(deviation, 1.0):
        than = "brighter" if facts.test_brightness[0] > mean else "darker"
        lines.append(
            f"the test images are {than} than the training images (mean grey {facts.test_brightness[0]:.0f} against "
            f"{mean:.0f} ± {deviation:.0f}): scores may not carry over"
        )
    trained, tested = (_median_area(sizes) for sizes in (facts.sizes, facts.test_sizes))
    if not 0.5 < tested / trained < 2:
        lines.append(
            f"the test images have {tested / trained:.1f} times the pixels of the training images: objects may have "
            "another size there, and scores may not carry over"
        )
    return lines


def _median_area(sizes: dict[tuple[int, int], int]) -> float:
    areas = sorted(height * width for (height, width), count in sizes.items() for _ in range(count))
    return float(areas[len(areas) // 2])
