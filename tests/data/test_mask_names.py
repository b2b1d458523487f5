"""How the names of masks follow from those of photos: patterns by hand, and the shares that must fit."""

from __future__ import annotations

import pytest

from maskfold.data.recognition.mask_names import MaskNames, mask_names, paired_names, photo_pattern

PHOTOS = [f"i{number:02d}.jpg" for number in range(20)]


@pytest.mark.parametrize(
    ("masks", "found"),
    [
        (["{stem}.png"], MaskNames("{stem}")),
        (["{stem}_mask.png"], MaskNames("{stem}_mask")),
        (["m_{stem}-x.png"], MaskNames("m_{stem}-x")),
        (["{name}.png"], MaskNames("{name}")),
        (["{name}_mask.png"], MaskNames("{name}_mask")),
        (["{stem}_1.png", "{stem}_2.png"], MaskNames("{stem}_*", several=True)),
        (["{stem}.png", "{stem}_1.png"], MaskNames("{stem}*", several=True)),
        (["{stem}_cat.png", "{stem}_dog.png"], MaskNames("{stem}_{class}", ("cat", "dog"))),
        (["m_{stem}_cat.png", "m_{stem}_dog.png"], MaskNames("m_{stem}_{class}", ("cat", "dog"))),
        (["{stem}_mask_cat.png", "{stem}_mask_dog.png"], MaskNames("{stem}_mask_{class}", ("cat", "dog"))),
        (["{stem}_cat.png", "{stem}-dog.png"], MaskNames("{stem}-dog")),  # the first of two equal ones
        (["{stem}x.png"], MaskNames("{stem}x")),  # from a digit to a letter a new word begins
        (["x{stem}.png"], None),  # a word goes on
        (["{stem}0.png"], None),  # a number goes on
    ],
)
def test_patterns(masks, found):
    names = [mask.format(stem=photo.removesuffix(".jpg"), name=photo) for photo in PHOTOS for mask in masks]
    assert mask_names(PHOTOS, names) == found


@pytest.mark.parametrize(("missing", "fits"), [(2, True), (3, False)])
def test_nine_of_ten_photos_have_a_mask(missing, fits):
    masks = [photo.replace(".jpg", "_m.png") for photo in PHOTOS[missing:]]
    assert mask_names(PHOTOS, masks) == (MaskNames("{stem}_m") if fits else None)
    assert mask_names(PHOTOS, masks, 0.5) == MaskNames("{stem}_m")


@pytest.mark.parametrize(("classes", "fits"), [(40, True), (41, False)])
def test_up_to_forty_classes(classes, fits):
    names = [f"c{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(classes)]
    masks = [f"{photo.removesuffix('.jpg')}_{name}.png" for photo in PHOTOS for name in names]
    found = mask_names(PHOTOS, masks)
    assert (found is not None and found.classes == tuple(names)) == fits


def test_of_names_that_begin_alike_the_longest_counts():
    photos = [f"{letter}{end}.jpg" for letter in "abcdefghij" for end in ("", "_b")]
    masks = [photo.replace(".jpg", f"_{number}.png") for photo in photos for number in (1, 2)]
    assert mask_names(photos, masks) == MaskNames("{stem}_*", several=True)


@pytest.mark.parametrize(
    ("photos", "pattern"),
    [
        (["1_sat.jpg", "2_sat.jpg"], "{stem}_sat"),
        (["img1.jpg", "img2.jpg"], "img{stem}"),
        (["img11.jpg", "img12.jpg"], "img{stem}"),  # a number is not cut
        (["a.jpg", "b.jpg"], None),
        (["a_sat.jpg", "a_sat.png"], None),  # one stem
        (["x_1.jpg", "x_1_1.jpg"], None),  # one would be empty
        (["left_eye.jpg", "right_eye.jpg"], "{stem}_eye"),
        (["photo_cat.jpg", "photo_car.jpg"], "photo_{stem}"),  # a word is not cut
    ],
)
def test_what_photos_differ_in(photos, pattern):
    assert photo_pattern(photos) == pattern


def test_photos_with_a_part_of_their_own():
    photos, masks = [f"{n}_sat.jpg" for n in range(10)], [f"{n}_mask.png" for n in range(10)]
    assert paired_names(photos, masks) == (MaskNames("{stem}_mask"), "{stem}_sat")
    assert paired_names(photos, [f"{n}_sat_mask.png" for n in range(10)]) == (MaskNames("{stem}_mask"), "{stem}")
    assert paired_names(["a.jpg", "b.jpg"], ["c.png", "d.png"]) is None
