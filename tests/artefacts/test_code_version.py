"""Which change of the code makes which artefact stale."""

import ast
import shutil
from pathlib import Path

import pytest

import maskfold
from maskfold.artefacts.code_version import DECIDED_BY, arithmetic, code_version
from maskfold.artefacts.source_imports import imported_modules

PACKAGE = Path(maskfold.__file__).parent
ALL = set(DECIDED_BY)

# The modules that make each artefact; what they import is what its bytes could depend on.
MADE_BY = {
    "demo data": ["stages.make_demo_data"],
    "folds": ["folds.splitting", "folds.visibility"],
    "model": ["training.fit"],
    "pseudo-labels": ["training.pseudo_labels"],
    "oof": ["inference.predict", "oof.parts"],
    "imported oof": ["oof.imported"],
    "blend weights": ["blending.choice"],
    "view weights": ["stages.choose_views"],
    "blended oof": ["blending.fold_oof"],
    "score tables": ["tuning.tables.table_filling"],
    "study": ["tuning.choice"],
    "rules": ["stages.tune_thresholds"],
    "mask metrics": ["mask_metrics.metric"],
    "sampled rules": ["stages.tune_thresholds"],
    "submission": ["stages.make_submission"],
    "report": ["stages.make_report"],
    "data audit": ["stages.audit_data"],
    "image map": ["stages.map_images"],
    "label audit": ["stages.audit_labels"],
}

# What a stage imports without its bytes depending on it, and why.
NOT_DECIDING = {
    "": "the version number, which is no arithmetic",
    "artefacts": "where files are and whether they are fresh",
    "config": "every value is recorded with the artefact",
    "command_line": "arguments and messages",
    "data/problems": "the list of messages",
    "data/recognition": "what it found is recorded as config values",
    "data/sample_order": "an order that does not fit is refused",
    "data/sample_submission": "checked for messages only, but by the submission, which names it",
    "data/sample_submission_json": "the same",
    "data/unused": "files that were not used, in messages",
    "drawing": "only seen",
    "commands": "the words of messages",
    "requirements": "which packages are needed",
    "errors": "messages",
    "hub": "which weights a training starts from; their hash is recorded",
    "execution": "how work runs: the same result for any number of threads",
    "mask_metrics": "only with a metric of whole masks, which is recorded as `mask metrics` or `sampled rules`",
    "network/trained": "names and settings, which are recorded",
    "on_kaggle": "a table of public scores, whose hash the report records",
    "oof/origin": "what is recorded with the OOF",
    "report": "pages: only seen",
    "rules/in_use": "chosen among figures that are recorded; its means are written by the tuning, which names it",
    "rules/text": "rules in words",
    "rules/tuned": "how the rules are written down",
    "stages": "paths, freshness and the console",
    "submission": "read back by the report: the submission's own hash is recorded",
    "tracking": "what a reader is sent besides",
    "training/clock": "how long a training may take, which no record of code can repeat",
    "training/history": "the log of a training",
    "training/history_callback": "the same",
    "training/sample_grid": "only seen",
    "training/summary": "only printed",
    "training/tracking_callback": "pictures and figures that a reader is sent",
    "tuning/tables/map_histograms": "drawn by the report; the tables that hold it are hashed",
    "tuning/printing": "only printed",
    "tuning/sampled": "only with a metric of whole masks, whose rules are `sampled rules`",
    "tuning/tables/score_tables": "the same",
    "tuning/surface_picture": "only seen",
}


def is_in(module, rooms):
    """Whether a module, e.g. `training/losses`, is one of the rooms or lies in one."""
    return any(module == room or (room and module.startswith(f"{room}/")) for room in rooms)


@pytest.mark.parametrize("artefact", DECIDED_BY)
def test_every_module_that_makes_an_artefact_decides_it_or_is_known_not_to(artefact):
    imported = {module for entry in MADE_BY[artefact] for module in imported_modules(f"maskfold.{entry}")}
    names = {module.removeprefix("maskfold").removeprefix(".").replace(".", "/") for module in imported}
    unknown = {name for name in names if not is_in(name, DECIDED_BY[artefact]) and not is_in(name, NOT_DECIDING)}
    assert unknown == set()


def test_every_named_room_exists():
    for artefact in DECIDED_BY:
        assert len(code_version(artefact)) == 16


# One change of arithmetic in each package, and the artefacts that it makes stale by themselves. What is made from
# those follows, because every artefact records the hashes of its inputs.
STALE = {
    "artefacts/files": set(),
    "audit/images/duplicates": {"data audit"},
    "audit/labels/ranking": {"label audit"},
    "blending/combining": {"blend weights", "view weights", "blended oof", "submission"},
    "config/train": set(),
    "data/demo/drawing": {"demo data"},
    "data/formats/rle_csv": ALL - {"demo data", "blended oof", "mask metrics"},
    "data/recognition/recognise": set(),
    "drawing/painting": set(),
    "execution/jobs": set(),
    "export/onnx": set(),
    "folds/assignment": {"folds"},
    "folds/balance": set(),
    "inference/tta": {"model", "pseudo-labels", "oof", "view weights", "submission", "image map"},
    "mask_metrics/outlines": {"mask metrics", "sampled rules"},
    "mask_metrics/rows": {"model", "rules", "mask metrics", "sampled rules", "report"},
    "media/photos": set(),
    "network/decoders": {"model", "pseudo-labels", "oof", "view weights", "submission", "image map"},
    "oof/store": {
        *("oof", "imported oof", "blended oof", "blend weights", "view weights", "score tables", "study", "rules"),
        *("sampled rules", "report", "label audit"),
    },
    "pixels/rle": ALL - {"blended oof"},
    "report/calibration": {"report"},
    "report/figures": set(),
    "rules/applying": {
        *("model", "pseudo-labels", "blend weights", "view weights", "score tables", "study", "rules", "submission"),
        *("mask metrics", "sampled rules", "report", "label audit"),
    },
    "speed/rounds": set(),
    "submission/csv_file": {"submission"},
    "training/losses/terms": {"model"},
    "training/sample_grid": set(),
    "tuning/plateau": {"blend weights", "view weights", "study", "rules", "sampled rules"},
    "tuning/bootstrap": {"rules", "sampled rules"},
    "tuning/printing": set(),
    "tuning/sampled/space": {"sampled rules"},
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources") / "maskfold"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return folder


def stale_after(copy, module, source):
    """The artefacts whose version changes when a module has this source."""
    path = copy / f"{module}.py"
    before = path.read_text(encoding="utf-8")
    path.write_text(source, encoding="utf-8")
    try:
        return {name for name in DECIDED_BY if code_version.__wrapped__(name, copy) != code_version(name)}
    finally:
        path.write_text(before, encoding="utf-8")


@pytest.mark.parametrize(("module", "stale"), STALE.items(), ids=STALE)
def test_changed_arithmetic_makes_stale_what_it_decides(copy, module, stale):
    source = (copy / f"{module}.py").read_text(encoding="utf-8")
    assert stale_after(copy, module, f"{source}\n_ADDED = 1\n") == stale


@pytest.mark.parametrize("module", STALE)
def test_changed_words_make_nothing_stale(copy, module):
    tree = ast.parse((copy / f"{module}.py").read_text(encoding="utf-8"))
    docstrings = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node) is not None:
            node.body[0].value = ast.Constant("Another docstring.")
            docstrings += 1
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc.args = [ast.Constant("another message")]
        if isinstance(node, ast.FunctionDef):
            node.body.append(ast.parse("print('one more line')").body[0])
    assert docstrings > 0
    assert stale_after(copy, module, ast.unparse(ast.fix_missing_locations(tree))) == set()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1  # one", "x = 1"),
        ("raise ValueError(f'no such file {x}')", "raise ValueError('the file is missing')"),
        ("problems.append(f'{x}: no such file')", "problems.append(f'{x}: the file is missing')"),
        ("def f(x: int) -> int:\n    '''Doc.'''\n    return x", "def f(x):\n    return x"),
        ("for x in tracked(y, 3, 'drawing pictures'):\n    z(x)", "for x in tracked(y, 3, 'all pictures'):\n    z(x)"),
    ],
)
def test_what_only_a_reader_sees_is_no_arithmetic(before, after):
    assert arithmetic(before) == arithmetic(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1", "x = 2"),
        ("x = 'row'", "x = 'column'"),
        ("x = f'{a} {b}'", "x = f'{b} {a}'"),
        ("x = ' '.join(y)", "x = ','.join(y)"),
        ("x = y['two words']", "x = y['other words']"),
        ("x = {'two words': 1}", "x = {'other words': 1}"),
        ("x = y == 'two words'", "x = y == 'other words'"),
        ("raise ValueError('no')", "raise KeyError('no')"),
        ("if x:\n    raise ValueError", "if not x:\n    raise ValueError"),
        ("def f(x=1): pass", "def f(x=2): pass"),
    ],
)
def test_what_can_change_a_byte_is_arithmetic(before, after):
    assert arithmetic(before) != arithmetic(after)
