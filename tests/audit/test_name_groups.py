"""Groups that names suggest: which signs are read, which are not believed, and how they join the groups of looks."""

import numpy as np
import pandas as pd

from maskfold.audit.data.name_groups import groups_by_name


def table(names):
    return pd.DataFrame({"image_id": names})


def members(found):
    grouped = found.groups.groupby("GroupId", sort=False)["ImageId"].apply(list)
    return [own for own in grouped if len(own) > 1]


def test_roboflow_copies_and_numbered_parts_of_one_photo_are_a_group():
    letters = "abcdefgh"
    names = [f"house{x}_scaled_{n}_jpg.rf.{n}0d5f{n}c8aa.jpg" for x in letters for n in (0, 1)]
    found = groups_by_name(table(names), np.arange(16))
    assert found is not None and (found.count, found.images, found.seen) == (8, 16, 0)
    assert members(found) == [[names[2 * n], names[2 * n + 1]] for n in range(8)]
    assert found.sign == "Roboflow's .rf. hash and numbered parts"
    assert found.example == (names[0], names[1])


def test_numbered_photos_of_classes_are_no_groups_but_films_are():
    names = [f"{film}_{number}" for film in "abcdefghijklmnopqrstuvwxyz" for number in range(4)]
    assert groups_by_name(table(names), np.arange(104)) is None
    alike = np.arange(104)
    alike[1:12:4] = alike[0:12:4]  # two frames each of three films of 26 look alike: more than a tenth
    found = groups_by_name(table(names), alike)
    assert found is not None and (found.count, found.seen) == (26, 3)
    assert "frame" in found.sign
    alike[[20, 40]] = alike[[24, 44]]  # now two of five pairs are of two films
    assert groups_by_name(table(names), alike) is None
    classes = [f"{kind}_{number}" for kind in "abcdef" for number in range(20)]
    assert groups_by_name(table(classes), np.repeat(np.arange(60), 2)) is None  # a class is no film


def test_a_name_that_all_have_is_no_group():
    assert groups_by_name(table([f"IMG_{number:04}.jpg" for number in range(50)]), np.zeros(50, int)) is None


def test_groups_of_names_and_looks_are_joined_and_said_only_where_they_differ():
    names = [f"{x}_tile_{n}.png" for x in "abcdefgh" for n in (1, 2)]
    looks = np.arange(16)
    looks[2] = looks[1]  # a part of a looks like one of b
    found = groups_by_name(table(names), looks)
    assert found is not None
    assert members(found)[0] == names[:4]
    joined = np.repeat(np.arange(8), 2)
    assert groups_by_name(table(names), joined) is None
