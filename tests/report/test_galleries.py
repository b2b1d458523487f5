"""The gallery of test images: how many pixels a submission covers, whatever overlaps."""

import numpy as np

from maskfold.config import ReportConfig, SubmissionConfig
from maskfold.data.competition import Competition
from maskfold.data.images.files import check_images, image_table
from maskfold.media.photos import encode_photo
from maskfold.report.test_gallery import draw_submission
from maskfold.submission.writing import encode_image, write_submission
from support.scripts import script_values


def test_a_pixel_that_two_classes_cover_counts_once(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode_photo(np.zeros((20, 30, 3), np.uint8), "png"))
    images = image_table({"a.png": path}, check_images([path])[0])
    masks = np.zeros((2, 20, 30), np.uint8)
    masks[0, :10], masks[1, 5:15] = 1, 1
    competition = Competition(("one", "two"), images.iloc[:0], images, lambda name: masks)
    config, out = SubmissionConfig(), tmp_path / "x.csv"
    rows = [("a.png", k, text) for k, text in enumerate(encode_image(masks, "column"))]
    write_submission(rows, competition, config, out)
    assert draw_submission(out, competition, config, ReportConfig(), tmp_path) == ""
    [data] = script_values(tmp_path / "test.js")
    assert data["predicted"] == [[300, 300]]
    assert data["covered"] == [450]
    assert data["colours"] == [[225, 45, 45], [30, 150, 240]]
