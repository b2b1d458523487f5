"""What one decoding of an image file tells: its form, statistics of its pixels, a hash of them, and a small copy."""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from maskfold.audit.images.fingerprint import fingerprint, packed, thumbnail, unpacked
from maskfold.audit.images.local_features import LocalFeatures, local_features
from maskfold.data.images.decoding import read_stored
from maskfold.data.images.orientation import exif_orientation
from maskfold.data.images.photo import Photo
from maskfold.data.images.tiff import without_orientation
from maskfold.errors import DataError
from maskfold.pixels.geometry import upright
from maskfold.pixels.intensity import to_eight_bits

# Photos of a million pixels and more are decoded at half, a quarter or an eighth of their size.
_LEAST_PIXELS = 2**18
_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_BITS = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I": 32, "F": 32}  # of Pillow's modes; 8 in all others
_SIMPLE = ("L", "RGB", "YCbCr", "CMYK", "P", "1")  # OpenCV decodes these to 8 bits of grey or colour

# What train and test are compared by; see ImageFacts.statistics.
STATISTICS = (
    "height",
    "width",
    "aspect",
    "bytes_per_pixel",
    "mean",
    "std",
    *(f"p{percent:02d}" for percent in _PERCENTILES),
    "sharpness",
    "gradient",
    "dark_share",
    "bright_share",
    "light_left_right",
    "light_top_bottom",
    "red",
    "green",
    "blue",
    "colourfulness",
)


@dataclass(frozen=True)
class ImageFacts:
    """One image file that could be decoded.

    height, width: px; mode: as Pillow calls it (npy and pages for arrays and TIFFs of several pages); bits: a value;
    turned: its EXIF orientation asks for a turn or a flip; statistics: (STATISTICS,) float64, NaN where one does not
    apply, grey values in 0..255 (see to_eight_bits); entropy: of the grey values, bits; digest: of the decoded pixels;
    thumb: (h, w) uint8, see `thumbnail`; small: (h, w) int8, see `packed`; fingerprint: see `fingerprint`; local: see
    `local_features`.
    """

    height: int
    width: int
    channels: int
    form: str
    mode: str
    bits: int
    file_bytes: int
    turned: bool
    entropy: float
    statistics: np.ndarray
    digest: bytes
    thumb: np.ndarray
    small: np.ndarray
    fingerprint: np.ndarray
    local: LocalFeatures


def measure_image(photo: Photo, height: int, width: int) -> ImageFacts | DataError:
    """What an image of height x width px holds; the DataError that says why it cannot be decoded, returned."""
    path = photo.path
    try:
        data = without_orientation(np.fromfile(path, dtype=np.uint8))
        form, mode, bits = _described(path, data)
        pixels = _reduced(data, height, width, mode) if bits == 8 and mode in _SIMPLE else None
        if pixels is None:
            pixels = _blue_first(to_eight_bits(read_stored(path)))
    except OSError as error:
        return DataError([f"{path}: cannot be read: {error.strerror}"])
    except DataError as error:
        return error
    pixels = upright(pixels, photo.orientation)
    grey = _grey(pixels)
    thumb = thumbnail(grey)
    small = packed(thumb)
    return ImageFacts(
        height=height,
        width=width,
        channels=pixels.shape[2],
        form=form,
        mode=mode,
        bits=bits,
        file_bytes=len(data),
        turned=exif_orientation(path) != 1,
        entropy=_entropy(grey),
        statistics=_statistics(pixels, grey, thumb, height, width, len(data)),
        digest=hashlib.blake2b(pixels.tobytes() + repr((height, width)).encode(), digest_size=16).digest(),
        thumb=thumb,
        small=small,
        fingerprint=fingerprint(thumb),
        local=local_features(unpacked(small)),
    )


def _described(path: Path, data: np.ndarray) -> tuple[str, str, int]:
    """Format, mode and bits a value, from the header alone."""
    if path.suffix.lower() == ".npy":
        return "NPY", "npy", 8
    try:
        with Image.open(io.BytesIO(data.tobytes())) as image:
            pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
            mode = image.mode if pages == 1 else f"{image.mode}, {pages} pages"
            return str(image.format), mode, _BITS.get(image.mode, 8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # OpenCV may know what Pillow does not
        return path.suffix.lstrip(".").upper(), "unknown", 8


def _reduced(data: np.ndarray, height: int, width: int, mode: str) -> np.ndarray | None:
    """(h, w, 1 or 3) uint8, blue first; None where it cannot be decoded, of which read_stored says why."""
    scale = 1
    while scale < 8 and height * width >= _LEAST_PIXELS * (2 * scale) ** 2:
        scale *= 2
    grey = mode in ("L", "1")
    names = {1: "IMREAD_GRAYSCALE" if grey else "IMREAD_COLOR"}
    name = names.get(scale, f"IMREAD_REDUCED_{'GRAYSCALE' if grey else 'COLOR'}_{scale}")
    try:
        image = cv2.imdecode(data, getattr(cv2, name) | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    return None if image is None else image.reshape(*image.shape[:2], -1)


def _blue_first(pixels: np.ndarray) -> np.ndarray:
    """(H, W, K) uint8, where K is 3 in OpenCV's order."""
    return np.ascontiguousarray(pixels[:, :, ::-1]) if pixels.shape[2] == 3 else pixels


def _grey(pixels: np.ndarray) -> np.ndarray:
    """(h, w) uint8; of images with other than three channels the first, so that alpha and depth do not count."""
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY) if pixels.shape[2] == 3 else np.ascontiguousarray(pixels[:, :, 0])


def _entropy(grey: np.ndarray) -> float:
    """Shannon's entropy of the grey values, in bits."""
    counts = np.bincount(grey.ravel(), minlength=256)
    shares = counts[counts > 0] / grey.size
    return float(-(shares * np.log2(shares)).sum()) + 0.0  # not -0.0


def _statistics(
    pixels: np.ndarray, grey: np.ndarray, thumb: np.ndarray, height: int, width: int, file_bytes: int
) -> np.ndarray:
    """(STATISTICS,) float64; sharpness is the log of the Laplacian's variance, colourfulness the mean spread of RGB."""
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel().astype(np.float64)
    shares = np.cumsum(counts) / counts.sum()
    values = np.arange(256)
    mean = float(counts @ values / counts.sum())
    std = math.sqrt(float(counts @ (values - mean) ** 2 / counts.sum()))
    laplacian = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1].item()
    pairs = ((grey[:, 1:], grey[:, :-1]), (grey[1:], grey[:-1]))
    gradient = [cv2.absdiff(one, other) for one, other in pairs if one.size]  # none where an image is one pixel wide
    h, w = thumb.shape[0] // 2, thumb.shape[1] // 2
    found = {
        "height": height,
        "width": width,
        "aspect": width / height,
        "bytes_per_pixel": file_bytes / (height * width),
        "mean": mean,
        "std": std,
        "sharpness": math.log1p(laplacian**2),
        "gradient": sum((part.mean() for part in gradient), 0.0),
        "dark_share": shares[5],
        "bright_share": 1 - shares[249],
        "light_left_right": thumb[:, w:].mean() - thumb[:, :w].mean() if w else 0.0,
        "light_top_bottom": thumb[h:].mean() - thumb[:h].mean() if h else 0.0,
    }
    found |= {f"p{percent:02d}": float(np.searchsorted(shares, percent / 100)) for percent in _PERCENTILES}
    if pixels.shape[2] == 3:
        found |= dict(zip(("blue", "green", "red"), cv2.mean(pixels)[:3], strict=True))
        found["colourfulness"] = cv2.absdiff(pixels.max(axis=2), pixels.min(axis=2)).mean()
    return np.array([found.get(name, math.nan) for name in STATISTICS], dtype=np.float64)
