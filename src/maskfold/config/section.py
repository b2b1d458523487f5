"""The base of every config section, and the error of a config that cannot be used."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base of all config sections: unknown keys are refused and values are never converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
