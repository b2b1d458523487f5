"""The config of one competition experiment: strict pydantic models, YAML with `extends:`, and `--set` overrides.

A config file holds only departures from the defaults of these sections. Relative paths start at the repository.
"""

from maskfold.config.answer import (
    TTA_SCALE,
    ImageNames,
    InferenceConfig,
    Layout,
    ReportConfig,
    SubmissionConfig,
    TuningConfig,
)
from maskfold.config.blend import BlendConfig, Combine, blend_problems
from maskfold.config.data import (
    AutoData,
    CocoData,
    DataConfig,
    DemoConfig,
    MaskFoldersData,
    PathColumns,
    PathsCsvData,
    RleColumns,
    RleCsvData,
)
from maskfold.config.experiment import Config
from maskfold.config.folds import FoldsConfig
from maskfold.config.loading import REPOSITORY, load_config
from maskfold.config.model import ModelConfig, Resize
from maskfold.config.pseudo_labels import PseudoLabelsConfig, pseudo_label_problems
from maskfold.config.section import ConfigError, Section
from maskfold.config.train import (
    LossConfig,
    SamplingConfig,
    ScheduleConfig,
    SubsetConfig,
    TrainConfig,
    TrainStage,
)

__all__ = [
    "REPOSITORY",
    "TTA_SCALE",
    "AutoData",
    "BlendConfig",
    "CocoData",
    "Combine",
    "Config",
    "ConfigError",
    "DataConfig",
    "DemoConfig",
    "FoldsConfig",
    "ImageNames",
    "InferenceConfig",
    "Layout",
    "LossConfig",
    "MaskFoldersData",
    "ModelConfig",
    "PathColumns",
    "PathsCsvData",
    "PseudoLabelsConfig",
    "ReportConfig",
    "Resize",
    "RleColumns",
    "RleCsvData",
    "SamplingConfig",
    "ScheduleConfig",
    "Section",
    "SubmissionConfig",
    "SubsetConfig",
    "TrainConfig",
    "TrainStage",
    "TuningConfig",
    "blend_problems",
    "load_config",
    "pseudo_label_problems",
]
