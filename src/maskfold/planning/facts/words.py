"""A fingerprint in words, for the console and the head of a plan."""

from __future__ import annotations

from maskfold.planning.facts.fingerprint import ClassFacts, Fingerprint


def facts_in_words(facts: Fingerprint) -> list[str]:
    """A few lines: images, classes, what is together."""
    sizes = _sizes(facts)
    tests = f", {facts.test_images:,} test images" if facts.test_images else ", no test images"
    groups = f" in {facts.groups:,} groups" if facts.groups is not None else ""
    grey = ", grey" if facts.grey == 1 else ""
    sample = "" if facts.labels_read == facts.images else f" (of {facts.labels_read:,} whose masks were read)"
    lines = [
        f"Data: {facts.images:,} labelled images{groups}{tests}; {sizes}, {facts.stored}{grey}; "
        f"{facts.empty_share:.0%} without any object{sample}."
    ]
    lines += [_class_in_words(each) for each in facts.classes]
    pairs = sorted(facts.together.items(), key=lambda pair: -pair[1])[:3]
    if pairs:
        words = "; ".join(f"{one} with {other} {share:.0%}" for (one, other), share in pairs)
        lines.append(f"Classes together, share of the images of the rarer one: {words}.")
    return lines


def _sizes(facts: Fingerprint) -> str:
    (height, width), count = next(iter(facts.sizes.items()))
    if len(facts.sizes) == 1:
        return f"{height}x{width} px (height x width)"
    heights, widths = zip(*facts.sizes, strict=True)
    return (
        f"{min(heights)} to {max(heights)} x {min(widths)} to {max(widths)} px (height x width), "
        f"{count / facts.images:.0%} of them {height}x{width}"
    )


def _class_in_words(each: ClassFacts) -> str:
    if not each.area_px[1]:
        return f"Class {each.name}: in {each.images:,} images."
    widths, areas = (" / ".join(f"{value:,.0f}" for value in values) for values in (each.width_px, each.area_px))
    thin = f", {each.thinness:.0f} times as long as wide" if each.thinness >= 3 else ""
    return (
        f"Class {each.name}: in {each.images:,} images, {each.objects:.1f} objects in each; width {widths} px and area "
        f"{areas} px (a tenth, half, nine tenths are smaller){thin}; {each.at_border:.0%} at the border."
    )
