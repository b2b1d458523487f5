"""The endings of image files: those that are read, and others that are known for images."""

from __future__ import annotations

from pathlib import PurePosixPath

ARRAY = ".npy"
TIFF = (".tif", ".tiff")
JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
DEEP = (".png", *TIFF, ".pgm", ".pnm", ".jp2")  # may hold 16 bits a value
ANIMATED = (".gif", ".webp", ".avif")  # may hold several pictures
SUFFIXES = (*JPEG, ".png", *TIFF, ".webp", ".bmp", ".gif", ".jp2", ".avif", ".pgm", ".ppm", ".pbm", ".pnm", ARRAY)

# Images that no reader here decodes: an error instead of a file that is left out in silence.
UNREAD = (
    *(".heic", ".heif", ".jxl", ".j2k", ".jxr", ".tga", ".psd", ".exr", ".dcm", ".dicom", ".nii", ".nii.gz", ".nrrd"),
    *(".mha", ".mhd", ".svs", ".ndpi", ".czi", ".dng", ".cr2", ".nef", ".arw"),
)


def without_image_suffix(name: str) -> str:
    """a/b.jpg -> a/b; only the ending of an image file is cut: x_jpg.rf.0dead and v1.2 stay as they are."""
    lower = name.lower()
    ending = next((suffix for suffix in (*SUFFIXES, *UNREAD) if lower.endswith(suffix)), "")
    cut = name[: len(name) - len(ending)]
    return cut if PurePosixPath(cut).name and not cut.endswith("/") else name


def is_image(name: str) -> bool:
    """Whether a file is an image by its name, read or not."""
    return name.lower().endswith((*SUFFIXES, *UNREAD))


def is_unread_image(name: str) -> bool:
    """Whether a file is an image by its name, but of a kind that is not read."""
    return name.lower().endswith(UNREAD)
