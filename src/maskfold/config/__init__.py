"""The config of one competition experiment: strict pydantic models, YAML with `extends:`, and `--set` overrides.

A config file holds only departures from the defaults of these sections. Relative paths start at the
repository; those of the installed command `maskfold` in the folder that it works in.
"""

from maskfold.config.data import AutoData, DataConfig
from maskfold.config.data.coco import CocoData
from maskfold.config.data.demo import DemoConfig
from maskfold.config.data.every_format import IntensityRule, LabelledData, Orientation
from maskfold.config.data.mask_folders import MaskFoldersData
from maskfold.config.data.paths_csv import PathColumns, PathsCsvData
from maskfold.config.data.rle_csv import RleColumns, RleCsvData
from maskfold.config.data.volumes import VolumesConfig
from maskfold.config.experiment import (
    Blend,
    BlendConfig,
    Combine,
    Config,
    Experiment,
    PseudoLabelsConfig,
    RefitConfig,
    parse_config,
)
from maskfold.config.folds import FoldsConfig
from maskfold.config.inference import TTA_SCALE, InferenceConfig
from maskfold.config.loading import load_config, load_experiment
from maskfold.config.loss import LossConfig
from maskfold.config.model import ModelConfig, NeighboursConfig, Resize
from maskfold.config.places import REPOSITORY
from maskfold.config.report import ReportConfig
from maskfold.config.run import RunConfig
from maskfold.config.sampling import MixingConfig, SamplingConfig, SubsetConfig
from maskfold.config.section import Section
from maskfold.config.submission import ImageNames, Layout, SubmissionConfig
from maskfold.config.train import ScheduleConfig, TrainConfig, TrainPhase
from maskfold.config.tuning import CUT_BY_IMAGE, TuningConfig

__all__ = [
    "CUT_BY_IMAGE",
    "REPOSITORY",
    "TTA_SCALE",
    "AutoData",
    "Blend",
    "BlendConfig",
    "CocoData",
    "Combine",
    "Config",
    "DataConfig",
    "DemoConfig",
    "Experiment",
    "FoldsConfig",
    "ImageNames",
    "InferenceConfig",
    "IntensityRule",
    "LabelledData",
    "Layout",
    "LossConfig",
    "MaskFoldersData",
    "MixingConfig",
    "ModelConfig",
    "NeighboursConfig",
    "Orientation",
    "PathColumns",
    "PathsCsvData",
    "PseudoLabelsConfig",
    "RefitConfig",
    "ReportConfig",
    "Resize",
    "RleColumns",
    "RleCsvData",
    "RunConfig",
    "SamplingConfig",
    "ScheduleConfig",
    "Section",
    "SubmissionConfig",
    "SubsetConfig",
    "TrainConfig",
    "TrainPhase",
    "TuningConfig",
    "VolumesConfig",
    "load_config",
    "load_experiment",
    "parse_config",
]
