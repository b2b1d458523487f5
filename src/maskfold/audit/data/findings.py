"""What the audit found, in words: how serious it is, what it means, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from maskfold.audit.data.audit import TEST, Audit
from maskfold.audit.data.conflicts import EXCHANGED
from maskfold.audit.data.label_facts import class_table
from maskfold.audit.data.unusual import KINDS, TRAIT_SHARE
from maskfold.execution.text import class_words


@dataclass(frozen=True)
class Finding:
    """One line of the page's summary; grave: it makes scores wrong or stops a stage."""

    weight: Literal["grave", "note"]
    what: str
    cure: str
    section: str  # the page's anchor


_NAMED = 3  # images of a kind in a finding
_PAIR_KINDS = {
    "exact": "exact",
    "near": "near copies",
    "tile": "overlapping parts of one photo",
    "scene": "further shots of a scene",
}


def findings(audit: Audit) -> list[Finding]:
    """All findings, grave ones first."""
    found = [*_files(audit), *_unusual(audit), *_copies(audit), *_names(audit), *_conflicts(audit), *_labels(audit)]
    found += _splits(audit)
    return sorted(found, key=lambda finding: finding.weight != "grave")


def across(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs of a training and a test image."""
    return pairs[(pairs["first_split"] == TEST) != (pairs["second_split"] == TEST)]


def within_train(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs of two training images, the competition's own validation images among them."""
    return pairs[(pairs["first_split"] != TEST) & (pairs["second_split"] != TEST)]


def between_train_and_valid(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs of one image of the competition's own validation split and one of training."""
    own = within_train(pairs)
    return own[own["first_split"] != own["second_split"]]


def _files(audit: Audit) -> list[Finding]:
    found = []
    problems = len(audit.problems) - audit.undecided  # of which the finding about orientations tells
    if problems:
        what = f"{_count(problems, 'problem')} with files and labels; those images are left out below"
        found.append(Finding("grave", what, "fix them: no other stage runs until then", "problems"))
    images = audit.images
    turned = int(images["turned"].sum())
    if turned:
        found.append(_orientation(_count(turned, "image"), audit))
    if images["mode"].nunique() > 1:
        modes = ", ".join(f"{mode} ({count})" for mode, count in images["mode"].value_counts().items())
        what = f"images of several modes: {modes}"
        found.append(Finding("note", what, "model.in_channels converts between grey and RGB only", "files"))
    return found


def _unusual(audit: Audit) -> list[Finding]:
    """A line for each kind of images that stand out, unless so many are of it that the set is like this."""
    found = []
    for kind, words in KINDS.items():
        own = audit.unusual[audit.unusual["kind"] == kind]
        if 0 < len(own) <= max(1, TRAIT_SHARE * len(audit.images)):
            named = ", ".join(own["image_id"].head(_NAMED)) + (" …" if len(own) > _NAMED else "")
            cure = "look at them; those that show nothing can be left out with data.exclude"
            found.append(Finding("note", f"{_count(len(own), 'image')} {words}: {named}", cure, "unusual"))
        elif len(own):
            what = f"{len(own)} of {_count(len(audit.images), 'image')} are {words}"
            found.append(Finding("note", what, "so many are how the set looks; unusual.csv lists them", "unusual"))
    return found


def _orientation(turned: str, audit: Audit) -> Finding:
    """What is done about the EXIF orientation of so many images."""
    if audit.undecided:
        what = f"{turned} with an EXIF orientation, and nothing shows whether labels belong to the pixels as stored"
        cure = "set data.orientation: stored or upright; until then all other stages refuse these files"
        return Finding("grave", f"{what} or to what a viewer shows; here they are read as stored", cure, "problems")
    applied = "orientation" in audit.images
    way, other = ("what a viewer shows", "stored") if applied else ("the pixels as stored", "upright")
    cure = f"nothing, if the labels were drawn on {way}; otherwise set data.orientation: {other}"
    return Finding(
        "note", f"{turned} with an EXIF orientation, which is {'applied' if applied else 'ignored'}", cure, "files"
    )


def _copies(audit: Audit) -> list[Finding]:
    found = []
    own, crossing = within_train(audit.pairs), across(audit.pairs)
    grouped = int(audit.groups["GroupId"].duplicated(keep=False).sum())
    if len(own):
        kinds = own["kind"].value_counts()
        listed = ", ".join(f"{kinds[kind]} {words}" for kind, words in _PAIR_KINDS.items() if kind in kinds)
        what = f"{_count(len(own), 'pair')} of training images show the same ({listed}); {grouped} images are in groups"
        found.append(Finding("grave", what, "set data.groups_csv to groups.csv, so that no group is split", "copies"))
    if "folds" in own and (own["folds"] != "").any():
        apart = _count(int((own["folds"] != "").sum()), "pair")
        what = f"{apart} lie in different folds, or on both sides of a hold-out: honest scores are too high"
        found.append(Finding("grave", what, "set data.groups_csv to groups.csv and run make_folds.py again", "folds"))
    split = between_train_and_valid(audit.pairs)
    if len(split):
        what = f"{_count(len(split), 'pair')} between training and the competition's own validation images"
        found.append(Finding("grave", what, "make folds of your own that keep groups together", "copies"))
    if len(crossing):
        what = f"{_count(len(crossing), 'pair')} of a training and a test image"
        found.append(Finding("note", what, "the public score may be better than that of new images", "crossing"))
    return found


def _names(audit: Audit) -> list[Finding]:
    named = audit.name_groups
    if named is None:
        return []
    what = (
        f"names alone suggest {_count(named.count, 'group')} of {named.images} training images ({named.sign}: "
        f"{named.example[0]} and {named.example[1]}); in {named.seen} of them images look alike"
    )
    cure = "if they are parts of one photo or film, set data.groups_csv to groups_by_name.csv instead of groups.csv"
    return [Finding("note", what, cure, "groups")]


def _conflicts(audit: Audit) -> list[Finding]:
    found = []
    pairs = audit.conflicts.drop_duplicates(["first", "second"])
    if len(pairs):
        exchanged = audit.conflicts["why"].str.startswith(EXCHANGED)
        swaps = len(audit.conflicts[exchanged].drop_duplicates(["first", "second"]))
        words = f", {swaps} of them by an exchange of classes" if swaps else ""
        what = f"{_count(len(pairs), 'pair')} of copies whose labels contradict each other{words}"
        found.append(Finding("grave", what, "check them: one of the two labels is wrong", "conflicts"))
    changed = len(audit.changed.drop_duplicates(["first", "second"]))
    if changed:
        what = f"{_count(changed, 'pair')} of copies differ in the image where their labels do: no contradiction"
        cure = "nothing to do: something was pasted in or removed, and the labels say so; changed.csv lists them"
        found.append(Finding("note", what, cure, "conflicts"))
    return found


def _labels(audit: Audit) -> list[Finding]:
    found = []
    overlapping = audit.labels.overlaps["image_id"].nunique()
    if overlapping:
        what = f"classes overlap in {_count(overlapping, 'image')}"
        found.append(Finding("note", what, "nothing to do: classes are predicted independently", "overlaps"))
    classes = class_table(audit.labels, audit.competition.class_names)
    strays = classes[classes["strays"] > 0]
    if len(strays):
        listed = ", ".join(f"{row.strays} of {class_words(str(row.class_name))}" for row in strays.itertuples())
        what = f"masks far smaller than all others of their class: {listed}"
        found.append(Finding("note", what, "check them: a stray click leaves such a mask", "classes"))
    shown = set(audit.labels.areas["class_name"])
    unseen = [name for name in audit.competition.class_names if name not in shown]
    if unseen:
        what = f"no training image shows {', '.join(unseen)}"
        found.append(Finding("grave", what, "check data.class_names and how labels are read", "classes"))
    return found


def _splits(audit: Audit) -> list[Finding]:
    found = audit.separability
    if found is None or found.standard_errors < 3:
        return []
    what = (
        f"training and test images are {found.in_words}: AUC {found.auc:.3f} "
        f"(chance 0.5 ± {found.chance_error:.3f}); the best statistic is {found.statistics['statistic'].iloc[0]}"
    )
    cure = "the score on test images may differ from the honest score; augment the training images to look like them"
    return [Finding("note", what, cure, "split")]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
