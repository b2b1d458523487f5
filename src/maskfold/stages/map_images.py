"""The stage of the image map: every OOF image where the run's own encoder puts it, on a page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.files import file_hash, whole_folder
from maskfold.artefacts.lock import one_writer
from maskfold.artefacts.paths import RunPaths, display
from maskfold.artefacts.provenance import Provenance
from maskfold.artefacts.step import Step
from maskfold.config import Config, Experiment
from maskfold.data.competition import Competition
from maskfold.errors import DataError, StaleError
from maskfold.execution.progress import tracked
from maskfold.network.trained import inference_settings, model_hashes
from maskfold.report.oof_scores import OofScores, read_image_scores
from maskfold.rules.tuned import TunedArtefact


@one_writer("map_images")
def map_images(config: Config, competition: Competition, accept_code_changes: bool = False) -> Path:
    """Write reports/<name>.image_map/ unless it is up to date; returns its page.

    All images go through the encoder of one model, the first (of a blend, of its first member): the features of two
    trainings cannot be compared. Raises StaleError when the run is not trained and tuned, DataError when
    image_scores.csv names an image that is not there, InferenceError for a network without an encoder.
    """
    step, paths = Step("map_images", accept_code_changes), RunPaths.of(config)
    scores_csv, run = paths.image_scores_csv, config.experiments[0]
    if not scores_csv.is_file():
        command = f"bash run_all.sh configs/{config.name}.yaml"
        raise StaleError(f"no image map without {display(scores_csv)}; run `{command}` first")
    digest = next(iter(model_hashes(run).values()))
    settings = {"name": config.name, "seed": config.seed, **inference_settings(run)}
    pictures = config.report.oof_gallery
    settings |= {"classes": list(competition.class_names), "part": config.folds.part_word, "pictures": pictures}
    inputs = {"model": digest, "image_scores.csv": file_hash(scores_csv)} | competition.train_inputs()
    made_from = Provenance("map_images", settings, inputs, code_version("image map"))
    page = paths.image_map / "index.html"
    if not step.due(page, made_from):
        return page
    scores = read_image_scores(scores_csv)
    oof = OofScores.of(scores, TunedArtefact.read(paths.postprocess_json).metric, competition.class_names)
    step.say(f"{len(oof.image_ids):,} images go through the encoder of {run.name}/{run.model_name(0)} once")
    features = _features(run, digest, _rows(competition, oof.image_ids, scores_csv))
    # torch and scikit-learn take seconds to import, and there may be nothing to do.
    from maskfold.report.image_map.page import write_image_map
    from maskfold.report.image_map.placing import places_of

    step.say(f"placing them on the map (t-SNE, about {max(1, round(len(features) / 6000))} min)")
    places = places_of(features, config.seed)
    with whole_folder(paths.image_map) as part:
        encoder = (run.model.encoder, f"{run.name}/{run.model_name(0)}")
        write_image_map(config.name, places, oof, config.folds.part_word, encoder, pictures, part)
        made_from.write(part / page.name)
    step.wrote(page, "; open it in a browser, or make the report again, which then holds it")
    return page


def _rows(competition: Competition, image_ids: list[str], scores_csv: Path) -> pd.DataFrame:
    """The images of the scores, in their order."""
    table = competition.train.set_index("image_id", drop=False)
    missing = [name for name in image_ids if name not in table.index]
    if missing:
        raise DataError([f"{display(scores_csv)}: {missing[0]!r} is no training image; tune again"])
    return table.loc[image_ids].reset_index(drop=True)


def _features(run: Experiment, digest: str, images: pd.DataFrame) -> np.ndarray:
    """(images, F) float32: the features of each image, in the order of the table."""
    from maskfold.network.model import load_model
    from maskfold.report.image_map.features import image_features

    model = load_model(RunPaths.of(run).model(0), run.model, len(run.data.class_names or ()), digest)
    place = {name: row for row, name in enumerate(images["image_id"])}
    found: np.ndarray | None = None
    batches = image_features(model, run, images)
    for names, values in tracked(batches, -(-len(images) // run.inference.batch_size), "batches of images"):
        found = np.zeros((len(images), values.shape[1]), dtype=np.float32) if found is None else found
        found[[place[name] for name in names]] = values
    assert found is not None, "a run has images"
    return found
