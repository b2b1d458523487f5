"""Which code an artefact depends on: the rooms whose arithmetic decides its bytes.

A stage's version is a hash of the syntax of those rooms. What only a reader sees is removed before hashing: comments,
layout, docstrings, type annotations, `print` statements, the text of errors, and any other text of two words or more
that is no key and is compared with nothing. So a changed message, picture, page or help text makes no artefact stale,
while a changed loss or reader does.
"""

from __future__ import annotations

import ast
import hashlib
import re
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]

_READING = (
    *(
        "pixels",
        "data/competition",
        "data/csv_files",
        "data/exclusive",
        "data/formats",
        "data/groups",
        "data/ignored",
        "data/image_ids",
        "data/images",
    ),
    "data/label_rows",
    *("data/opening", "data/validation", "data/volumes", "folds/table"),
)
_NETWORK = (
    *(
        "network/architectures",
        "network/decoders",
        "network/encoder_weights",
        "network/exclusive",
        "network/model",
        "network/normalisation",
        "network/trained",
    ),
    "inference",
)
_SAMPLES = ("training/datamodule", "training/input_sizes", "training/losses", "training/samples")
_FITTING = (
    *("network/warm_start", "training/deep_supervision", "training/optimisers", "training/warm_start"),
    *(
        "training/fit",
        "training/soups",
        "training/module",
        "training/schedule",
        "training/validation",
        "training/checkpoints",
    ),
    "training/checkpoint_files",
    "training/continuing",
)
_RULES = ("rules/rules", "rules/applying", "rules/expected")
_OOF = ("oof/store", "oof/with_truth")
_TABLES = ("tuning/tables",)
_CHOICE = (
    *("tuning/calibration", "tuning/choice", "tuning/expected", "tuning/gates", "tuning/limit_tables"),
    *(
        "tuning/mask_and_triplet",
        "tuning/plateau",
        "tuning/presence",
        "tuning/rule_areas",
        "tuning/search",
        "tuning/study",
    ),
)
_TUNING = (
    *(
        *_READING,
        *_RULES,
        "rules/tuned",
        "rules/in_use",
        *_OOF,
        "oof/origin",
        "folds/visibility",
        *_TABLES,
        *_CHOICE,
    ),
    *(
        "tuning/adoption",
        "tuning/bootstrap",
        "tuning/derived_gate",
        "tuning/evaluation",
        "tuning/finishes",
        "tuning/kinds",
        "network/trained",
    ),
    "stages/tune_thresholds",
)

# Artefact -> the folders and modules below maskfold/ whose arithmetic decides its bytes. Everything else that its stage
# imports is either recorded by value (config), or only seen by a reader (drawing, printing, pages, progress).
DECIDED_BY: dict[str, tuple[str, ...]] = {
    "demo data": ("pixels", "data/demo", "stages/make_demo_data"),
    "folds": (*_READING, "folds/assignment", "folds/splitting", "folds/visibility"),
    "model": (
        *(*_READING, *_NETWORK, *_RULES, *_SAMPLES, *_FITTING, "training/pseudo_labels", "folds/visibility"),
        "mask_metrics/rows",
    ),
    "pseudo-labels": (*_READING, *_NETWORK, *_RULES, "training/pseudo_labels"),
    "oof": (*_READING, *_NETWORK, "folds/visibility", "oof/parts", "oof/store"),
    "imported oof": (*_READING, "oof/store", "oof/imported", "oof/sources"),
    "blend weights": (
        *(*_READING, *_RULES, *_OOF, *_TABLES, "tuning/plateau", "blending/choice", "blending/combining"),
        *("blending/oof_subset", "blending/scores", "blending/weights"),
    ),
    "view weights": (
        *(*_READING, *_RULES, *_OOF, *_TABLES, *_NETWORK, "oof/parts", "tuning/plateau", "folds/visibility"),
        *(
            "blending/choice",
            "blending/combining",
            "blending/oof_subset",
            "blending/scores",
            "blending/weights",
            "stages/choose_views",
        ),
    ),
    "blended oof": ("oof/store", "blending/combining", "blending/fold_oof"),
    "score tables": (*_READING, *_RULES, *_OOF, *_TABLES),
    "study": (*_READING, *_RULES, *_OOF, *_TABLES, *_CHOICE),
    "rules": (*_TUNING, "mask_metrics/rows"),
    "mask metrics": ("pixels", *_RULES, "mask_metrics"),
    "sampled rules": (*_TUNING, "mask_metrics", "tuning/sampled", "stages/tune_sampled"),
    "submission": (
        *(*_READING, *_NETWORK, *_RULES, "rules/tuned", "blending/combining", "blending/ensemble", "submission"),
        *("data/sample_submission", "data/sample_submission_json", "stages/make_submission"),
    ),
    "report": (
        *(*_READING, *_RULES, *_OOF, "tuning/calibration"),
        *(
            "report/calibration",
            "report/confusion",
            "report/error_kinds",
            "report/examples",
            "report/leaderboards",
            "report/object_table",
        ),
        *(
            "mask_metrics/rows",
            "report/oof_gallery",
            "report/oof_scores",
            "report/steps",
            "report/surface_data",
            "report/test_gallery",
            "report/trainings",
        ),
    ),
    "data audit": (*_READING, "audit/data", "audit/images"),
    "image map": (*_READING, *_NETWORK, "rules/rules", "report/image_map", "report/oof_scores"),
    "label audit": (*_READING, *_RULES, *_OOF, "oof/origin", "folds/visibility", "audit/labels"),
}

_WORDS = re.compile(r"[^\W\d_]{2,}[,.:;]? +[^\W\d_]{2,}")  # two words: a message, not a name or a format


@cache
def code_version(artefact: str, package: Path = _PACKAGE) -> str:
    """Hash of the code that decides the bytes of an artefact, as 16 hexadecimal digits.

    artefact: a key of DECIDED_BY;
    package: the folder that holds the rooms, maskfold's own unless a test compares two states of it.
    """
    digest = hashlib.sha256()
    for name in sorted({path for room in DECIDED_BY[artefact] for path in _files(package / room)}):
        digest.update(
            f"{name.relative_to(package).as_posix()}\0{arithmetic(name.read_text(encoding='utf-8'))}\n".encode()
        )
    return digest.hexdigest()[:16]


@cache
def arithmetic(source: str) -> str:
    """The syntax of a module without what only a reader sees; the same text for the same behaviour."""
    return ast.dump(_Stripped().visit(ast.parse(source)))


def _files(path: Path) -> list[Path]:
    """The source files of a folder, or of one module without its suffix."""
    files = [*path.rglob("*.py")] if path.is_dir() else [path.with_suffix(".py")]
    if not files or not files[0].is_file():
        raise FileNotFoundError(f"{path}: no such folder or module; DECIDED_BY in {__file__} names it")
    return files


class _Stripped(ast.NodeTransformer):
    """Removes docstrings, annotations, prints and the text of messages."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Docstrings and `print(…)` go, whatever they say."""
        value = node.value
        printed = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print"
        if printed or isinstance(value, ast.Constant):
            return None
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Of an error only its class counts."""
        error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(exc=error, cause=None)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """A sentence with values in it."""
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "1" for part in node.values)
        return _message() if _WORDS.search(text) else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """A sentence."""
        return _message() if isinstance(node.value, str) and _WORDS.search(node.value) else node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """Text that is compared decides something, whatever it says."""
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """A key stays as it is."""
        node.value = self.visit(node.value)
        return node

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        """Keys stay as they are; values are looked at."""
        node.values = [self.visit(value) for value in node.values]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """An annotated assignment is an assignment; a bare annotation in a class names a field and stays."""
        node.annotation = ast.Constant(value="")
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Arguments without annotations."""
        return ast.arg(arg=node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Functions without annotations."""
        node.returns = None
        return self.generic_visit(node)


def _message() -> ast.Constant:
    return ast.Constant(value="")
