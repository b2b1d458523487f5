"""A blend made from an experiment's config."""

from __future__ import annotations

from typing import Any

from maskfold.config import Blend, BlendConfig, Experiment


def as_blend(config: Experiment, name: str, **blend: Any) -> Blend:
    """The blend of this name with the sections that it shares with the experiment; blend: values of BlendConfig."""
    shared = {key: value for key, value in config if key in Blend.model_fields}
    return Blend(**shared | {"name": name, "blend": BlendConfig(**blend)})
