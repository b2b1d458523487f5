"""The data audit stage: planted faults are all found, nothing is found where there is none, and the folder is whole."""

import html
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.config import DemoConfig, Experiment, FoldsConfig, ReportConfig, RleCsvData
from maskfold.data.demo.drawing import draw_image
from maskfold.data.opening import open_competition
from maskfold.errors import DataError
from maskfold.pixels.rle import encode
from maskfold.stages.audit_data import audit_data

DEMO = DemoConfig(train_images=48, test_images=12)
CLASSES = ("1", "2", "3", "4")


class Files:
    """A competition of demo strips on disk, with known copies and faults added by name."""

    def __init__(self, root):
        self.root, self.rows = root, []
        self.train = [draw_image(DEMO, "train", index) for index in range(DEMO.train_images)]
        self.test = [draw_image(DEMO, "test", index) for index in range(DEMO.test_images)]
        for folder in ("train_images", "test_images"):
            (root / folder).mkdir(parents=True)
        for image in self.train:
            self.add(image.image_id, image.grey, image.masks)
        for image in self.test:
            self.write(f"test_images/{image.image_id}", image.grey)

    def write(self, name, grey, quality=92):
        options = [cv2.IMWRITE_JPEG_QUALITY, quality] if name.endswith(".jpg") else []
        cv2.imwrite(str(self.root / name), grey, options)

    def add(self, name, grey, masks, quality=92):
        self.write(f"train_images/{name}", grey, quality)
        self.label(name, masks)

    def label(self, name, masks):
        self.rows += [f"{name},{c},{encode(m)}" for c, m in zip(CLASSES, masks, strict=True) if m.any()]

    def decoded(self, image):
        return cv2.imread(str(self.root / "train_images" / image.image_id), cv2.IMREAD_GRAYSCALE)

    def finish(self):
        (self.root / "train.csv").write_text("\n".join(["ImageId,ClassId,EncodedPixels", *self.rows]) + "\n")
        return Experiment(
            name="planted",
            output_root=str(self.root / "out"),
            report=ReportConfig(examples=2),
            data=RleCsvData(root=str(self.root), class_names=CLASSES, sample_submission=None),
        )


def shown(files):
    """The strips that show a defect."""
    return [image for image in files.train if image.masks.any()]


def plant(files):
    """Add copies; returns names of each pair -> whether it is exact, and the pairs whose labels contradict."""
    first, second, third, fourth, fifth, sixth, seventh, eighth, *_ = shown(files)
    pairs = {}
    shutil.copy(files.root / "train_images" / first.image_id, files.root / "train_images" / "exact.jpg")
    files.label("exact.jpg", first.masks)
    pairs[first.image_id, "exact.jpg"] = True
    files.add("same_pixels.png", files.decoded(second), second.masks)
    pairs[second.image_id, "same_pixels.png"] = True
    brighter = np.clip(files.decoded(third) * 0.85 + 30, 0, 255).astype(np.uint8)
    files.add("brighter.jpg", brighter, third.masks, quality=60)
    pairs[third.image_id, "brighter.jpg"] = False
    files.add("cropped.jpg", files.decoded(fourth)[3:, 12:-4], fourth.masks[:, 3:, 12:-4])
    pairs[fourth.image_id, "cropped.jpg"] = False
    files.add("flipped.jpg", files.decoded(fifth)[:, ::-1], fifth.masks[:, :, ::-1])
    pairs[fifth.image_id, "flipped.jpg"] = False
    larger = cv2.resize(files.decoded(sixth), None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    files.add("larger.jpg", larger, [cv2.resize(m, larger.shape[::-1], interpolation=0) for m in sixth.masks])
    pairs[sixth.image_id, "larger.jpg"] = False
    files.add("emptied.jpg", files.decoded(seventh), np.zeros_like(seventh.masks), quality=80)
    pairs[seventh.image_id, "emptied.jpg"] = False
    shutil.copy(files.root / "train_images" / eighth.image_id, files.root / "train_images" / "moved.jpg")
    files.label("moved.jpg", np.roll(eighth.masks, 150, axis=2))
    pairs[eighth.image_id, "moved.jpg"] = True
    files.write("test_images/leak.jpg", files.train[-1].grey, quality=70)
    pairs[files.train[-1].image_id, "leak.jpg"] = False
    return pairs, {(seventh.image_id, "emptied.jpg"), (eighth.image_id, "moved.jpg")}


def read(config, name):
    return pd.read_csv(RunPaths.of(config).data_audit / name, dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    files = Files(tmp_path_factory.mktemp("planted"))
    pairs, conflicts = plant(files)
    config = files.finish()
    audit_data(config)
    return files, config, pairs, conflicts


def test_every_planted_copy_is_found_and_no_other(planted):
    _, config, pairs, _ = planted
    table = read(config, "pairs.csv")
    found = {frozenset((row.first, row.second)): row.kind == "exact" for row in table.itertuples()}
    assert found == {frozenset(pair): exact for pair, exact in pairs.items()}
    assert len(table) == len(pairs)


def test_the_way_a_copy_was_changed_is_told(planted):
    _, config, _, _ = planted
    table = read(config, "pairs.csv")
    rows = {row["second"]: row for row in table.to_dict("records")} | {r["first"]: r for r in table.to_dict("records")}
    assert rows["flipped.jpg"]["flip"] == "left-right"
    assert rows["leak.jpg"]["second_split"] == "test"
    # A crop of 3 rows and 12 columns lies 3 and 12 px into the original; the thumbnail's pixels are 1.4 px wide.
    moved = [abs(int(rows["cropped.jpg"][side])) for side in ("down_px", "right_px")]
    assert np.allclose(moved, [3, 12], atol=2)


def test_contradicting_labels_are_found_and_no_others(planted):
    _, config, _, conflicts = planted
    table = read(config, "conflicts.csv")
    assert {frozenset(pair) for pair in zip(table["first"], table["second"], strict=True)} == {
        frozenset(pair) for pair in conflicts
    }


def test_proposed_groups_hold_copies_together_and_folds_accept_them(planted):
    files, config, pairs, _ = planted
    path = RunPaths.of(config).data_audit / "groups.csv"
    data = config.data.model_copy(update={"groups_csv": str(path)})
    table = open_competition(data).train.set_index("image_id")["group"]
    train_pairs = [pair for pair in pairs if "leak.jpg" not in pair]
    assert all(table[first] == table[second] for first, second in train_pairs)
    assert table.nunique() == len(table) - len(train_pairs)
    assert len(table) == len(files.train) + len(train_pairs)


def test_the_page_is_static_and_whole(planted):
    _, config, _, _ = planted
    folder = RunPaths.of(config).data_audit
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "http://" not in page and "https://" not in page
    links = [part.split('"')[0] for key in ('src="', 'href="') for part in page.split(key)[1:]]
    assert all(link.startswith("#") or (folder / link).is_file() for link in links)
    assert RunPaths.of(config).report not in folder.parents and RunPaths.of(config).report != folder


def test_a_fresh_audit_is_skipped_and_changed_labels_make_it_anew(planted, capsys):
    files, config, _, _ = planted
    page = RunPaths.of(config).data_audit / "index.html"
    made = page.stat().st_mtime_ns
    audit_data(config)
    assert "is up to date, skipped" in capsys.readouterr().out
    assert page.stat().st_mtime_ns == made
    rows = (files.root / "train.csv").read_text()
    (files.root / "train.csv").write_text(rows.replace("exact.jpg,", "no_such.jpg,"))
    audit_data(config)
    assert "label file train.csv changed" in capsys.readouterr().out
    assert "there is no training image 'no_such.jpg'" in html.unescape(page.read_text(encoding="utf-8"))
    (files.root / "train.csv").write_text(rows)


def test_broken_files_and_rows_are_listed_while_the_rest_is_audited(tmp_path):
    files = Files(tmp_path)
    victim, good = shown(files)[:2]
    whole = (files.root / "train_images" / victim.image_id).read_bytes()
    (files.root / "train_images" / victim.image_id).write_bytes(whole[: len(whole) // 2])
    (files.root / "test_images" / "text.png").write_text("no image")
    files.rows += ["nobody.jpg,1,1 2", f"{good.image_id},9,1 2", f"{files.train[-1].image_id},1", "<b>&.jpg,1,1 1"]
    bad = next(image for image in files.train if not image.masks.any())
    files.rows.append(f"{bad.image_id},1,5 99999999")
    config = files.finish()
    with pytest.raises(DataError):
        open_competition(config.data)
    audit_data(config)
    table = read(config, "problems.csv")
    assert set(table["file"]) == {victim.image_id, "text.png", "train.csv"}
    listed = table[table["file"] == "train.csv"]
    assert sorted(set(listed["place"])) == [f"row {len(files.rows) - n}" for n in (3, 2, 1)] + [
        f"row {len(files.rows)}",
        f"row {len(files.rows) + 1}",
    ]
    page = (RunPaths.of(config).data_audit / "index.html").read_text(encoding="utf-8")
    assert "<b>&.jpg" not in page and "&lt;b&gt;&amp;.jpg" in page
    images = read(config, "images.csv")
    assert len(images) == len(files.train) + len(files.test) - 1
    areas = read(config, "areas.csv")
    assert good.image_id in set(areas["image_id"]) and bad.image_id not in set(areas["image_id"])


def test_nothing_is_found_where_there_is_nothing(tmp_path, capsys):
    config = Files(tmp_path).finish()
    audit_data(config)
    assert not len(read(config, "pairs.csv")) and not len(read(config, "problems.csv"))
    assert not len(read(config, "conflicts.csv"))
    assert read(config, "groups.csv")["GroupId"].is_unique
    assert "grave" not in capsys.readouterr().out


def test_copies_in_different_folds_are_named(tmp_path):
    files = Files(tmp_path)
    pairs, _ = plant(files)
    config = files.finish()
    competition = open_competition(config.data)
    folds = pd.DataFrame({"image_id": competition.train["image_id"], "fold": 0})
    apart = {"exact.jpg", "brighter.jpg"}
    folds.loc[folds["image_id"].isin(apart), "fold"] = 1
    path = RunPaths.of(config).folds_csv
    path.parent.mkdir(parents=True)
    folds.to_csv(path, index=False)
    audit_data(config)
    table = read(config, "pairs.csv")
    crossing = table[table["folds"] != ""]
    assert {frozenset(pair) for pair in zip(crossing["first"], crossing["second"], strict=True)} == {
        frozenset(pair) for pair in pairs if apart & set(pair)
    }
    assert set(crossing["folds"]) <= {"0|1", "1|0"}
    page = (RunPaths.of(config).data_audit / "index.html").read_text()
    assert "fold 0 and fold 1" in page and "Of a hold-out" not in page
    # Of a hold-out the images of fold -1 are trained on.
    folds.assign(fold=folds["fold"] - 1).to_csv(path, index=False)
    held = FoldsConfig(kind="hold_out", count=2)
    audit_data(config.model_copy(update={"folds": held}))
    page = (RunPaths.of(config).data_audit / "index.html").read_text()
    assert "training only and part 0" in page or "part 0 and training only" in page
    assert "Of a hold-out: between the images held out and those trained on" in page


def test_without_a_training_image_there_is_an_error_and_no_folder(tmp_path):
    files = Files(tmp_path)
    for path in (tmp_path / "train_images").iterdir():
        path.unlink()
    config = files.finish()
    with pytest.raises(DataError, match="holds no image"):
        audit_data(config)
    assert not RunPaths.of(config).data_audit.exists()
