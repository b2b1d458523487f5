"""Where artefacts live: no two share a path."""

from __future__ import annotations

from maskfold.artefacts.paths import RunPaths


def test_classes_that_differ_only_in_special_characters_have_pictures_of_their_own(tmp_path):
    paths, names = RunPaths(tmp_path, "x", 5), ["a_b", "a b", "a/b", "ä_b", "..", "__"]
    pictures = [paths.surface_png(name) for name in names]
    assert len(set(pictures)) == len(names)
    assert {picture.parent for picture in pictures} == {paths.oof}
    assert pictures[0].name == "surface_a_b.png"  # plain names stay as they are
