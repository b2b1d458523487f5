"""Pictures of pages as jpg files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_jpeg(path: Path, picture: np.ndarray, quality: int = 90) -> None:
    """Write a picture, (H, W, 3) uint8 RGB; quality: 0..100. Raises OSError when it cannot be encoded or written."""
    done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise OSError(f"{path}: a picture of {picture.shape[1]}x{picture.shape[0]} px cannot be encoded as jpg")
    path.write_bytes(data.tobytes())
