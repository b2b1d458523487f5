"""Frames into a video or a folder of pictures, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from maskfold.artefacts.files import whole_file, whole_folder
from maskfold.media.photos import encode_photo
from maskfold.media.sound import Sound
from maskfold.media.video_reading import EXACT_COLOURS, VideoSource

_CONTAINERS = {"mp4": "mp4", "mov": "mov", "mkv": "matroska"}
# crf 18 is hard to tell from the source; the faster presets leave the processor to the networks.
_X264 = {"crf": "18", "preset": "veryfast"}


class FrameWriter(Protocol):
    """Takes frames of one size, (H, W, 3) RGB, (H, W) grey or (H, W, 4) RGBA uint8, with their times in s, in order."""

    def write(self, image: np.ndarray, time: Fraction) -> None:
        """Add a frame."""


@contextmanager
def frame_writer(
    path: Path, form: str, source: VideoSource, time_base: Fraction, mute: bool = False
) -> Iterator[FrameWriter]:
    """A writer whose output gets its name when the block ends well; form: one of VIDEO_FORMATS."""
    if form == "png":
        with whole_folder(path) as folder:
            yield FolderWriter(folder)
        return
    with whole_file(path) as temporary:
        writer = VideoWriter(temporary, form, source, time_base, mute)
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()


class FolderWriter:
    """000001.png, 000002.png, …, which lose nothing and may be transparent."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0

    def write(self, image: np.ndarray, time: Fraction) -> None:
        """Add a frame."""
        self.count += 1
        (self.folder / f"{self.count:06d}.png").write_bytes(encode_photo(image, "png"))


class VideoWriter:
    """H.264 with the sound of the source, every frame at the time it had there.

    Colours are halved in both directions, as all players expect, so that odd sides grow by repeating their last line.
    """

    def __init__(self, path: Path, form: str, source: VideoSource, time_base: Fraction, mute: bool) -> None:
        self.mute = mute
        self.source, self.time_base = source, time_base
        options = {"movflags": "+faststart"} if form in ("mp4", "mov") else {}
        self.container: OutputContainer = av.open(str(path), "w", format=_CONTAINERS[form], options=options)
        self.stream: VideoStream | None = None
        self.sound: Sound | None = None
        self.reformatter = VideoReformatter()
        self.last_pts = -1

    def write(self, image: np.ndarray, time: Fraction) -> None:
        """Add a frame, and the sound up to it."""
        image = even_sided(image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2))
        if self.stream is None:
            self.stream = self._opened(image.shape[0], image.shape[1])
        frame = self.reformatter.reformat(
            VideoFrame.from_ndarray(image, "rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=EXACT_COLOURS,
            threads=1,
        )
        # Times that stand still or go back would be refused.
        self.last_pts = max(self.last_pts + 1, round(time / self.time_base))
        frame.pts, frame.time_base = self.last_pts, self.time_base
        if self.sound is not None:
            self.sound.write_until(time)
        self.container.mux(self.stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds and the rest of the sound."""
        if self.stream is not None:
            self.container.mux(self.stream.encode(None))
        if self.sound is not None:
            self.sound.write_until(None)

    def close(self) -> None:
        """Close output and sound."""
        self.container.close()
        if self.sound is not None:
            self.sound.close()

    def _opened(self, height: int, width: int) -> VideoStream:
        source = self.source
        stream: VideoStream = self.container.add_stream("libx264", rate=source.rate, options=_X264)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = self.time_base
        stream.codec_context.sample_aspect_ratio = source.aspect
        stream.codec_context.colorspace = int(Colorspace.ITU709)
        stream.codec_context.color_range = int(ColorRange.MPEG)
        if source.sound_codecs and source.path is not None and not self.mute:
            self.sound = Sound(source.path, source.first_time, self.container)
        return stream


def even_sided(image: np.ndarray) -> np.ndarray:
    """(H, W, K) uint8 with even sides, grown where they are odd by repeating the last line."""
    bottom, right = image.shape[0] % 2, image.shape[1] % 2
    if not bottom and not right:
        return np.ascontiguousarray(image)
    return cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
