"""The whole config of one experiment."""

from __future__ import annotations

from pydantic import Field

from maskfold.config.answer import InferenceConfig, ReportConfig, SubmissionConfig, TuningConfig
from maskfold.config.blend import BlendConfig
from maskfold.config.data import DataConfig, DemoConfig
from maskfold.config.folds import FoldsConfig
from maskfold.config.model import ModelConfig
from maskfold.config.pseudo_labels import PseudoLabelsConfig
from maskfold.config.section import Section
from maskfold.config.train import TrainConfig


class Config(Section):
    """One competition experiment."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    seed: int = Field(0, ge=0, lt=2**31)
    output_root: str = "."  # folds/, oof/, runs/, submissions/ and reports/ of the run lie below it
    data: DataConfig
    demo: DemoConfig | None = None
    folds: FoldsConfig = FoldsConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    pseudo_labels: PseudoLabelsConfig | None = None  # test images that join the training images of every fold
    inference: InferenceConfig = InferenceConfig()
    tuning: TuningConfig = TuningConfig()
    submission: SubmissionConfig = SubmissionConfig()
    report: ReportConfig = ReportConfig()
    blend: BlendConfig | None = None  # of other experiments; then there is nothing to train


BlendConfig.model_rebuild(_types_namespace={"Config": Config})
PseudoLabelsConfig.model_rebuild(_types_namespace={"Config": Config})
Config.model_rebuild()
