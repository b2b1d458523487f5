"""Videos frame by frame: upright, in true colours, with the time of each frame."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
import pandas as pd
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from maskfold.errors import DataError, UsageError
from maskfold.media.photos import Picture, shrunk

_UNTAGGED, _HD_ROWS = 2, 720  # a video that names no colour matrix: players take BT.709 from here on, else BT.601
# The defaults round down, twice on the way from frame to frame: 200 red became 198.
EXACT_COLOURS = (
    Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
_USUAL_RATE = Fraction(25)
_LONG_LAST_FRAME = 1.0  # s that the last frame may be shown


class VideoSource:
    """An open video or stream.

    path: None of the stream on stdin; rate: frames a second, as declared; time_base: s, what its times are whole
    numbers of; first_time: s, what all times are counted from; sound_codecs: one a sound track.
    """

    def __init__(self, container: InputContainer, path: Path | None) -> None:
        self.path, self.name = path, "stdin" if path is None else str(path)
        self.container = container
        self.stream: VideoStream = container.streams.video[0]
        self.stream.thread_type = "AUTO"
        self.rate = self.stream.average_rate or self.stream.guessed_rate or _USUAL_RATE
        self.time_base = self.stream.time_base or 1 / self.rate
        self.first_time = max(Fraction(0), Fraction(container.start_time or 0, av.time_base))
        contexts = [stream.codec_context for stream in container.streams.audio]
        self.sound_codecs = tuple("unknown" if context is None else context.name for context in contexts)
        self.quarter_turns = 0
        self.read = 0  # frames
        self.last_time = Fraction(0)  # s, of the last frame that was read

    @property
    def frame_count(self) -> int | None:
        """Frames as the file declares them, else by its duration; None of a stream."""
        if self.stream.frames:
            return self.stream.frames
        if self.container.duration:
            return max(1, round(Fraction(self.container.duration, av.time_base) * self.rate))
        return None

    def shortfall(self) -> str | None:
        """Once all is read: by how much there is less than the file declares, in words; None where nothing is missing.

        Matroska and webm count no frames but say how long the pictures last; a file cut in half reads without an error.
        """
        if self.read < self.stream.frames:
            return f"declares {self.stream.frames} frames, {self.read} could be read"
        lasts = self.stream.metadata.get("DURATION")
        if lasts is None:
            return None
        seconds = pd.to_timedelta(lasts, errors="coerce").total_seconds()
        if seconds - float(self.last_time) > _LONG_LAST_FRAME + 1 / self.rate:
            return f"declares {seconds:.1f} s of pictures, the last could be read at {float(self.last_time):.1f} s"
        return None

    @property
    def aspect(self) -> Fraction:
        """Width over height of a pixel, upright."""
        aspect = self.stream.sample_aspect_ratio or Fraction(1)
        return 1 / aspect if self.quarter_turns % 2 else aspect

    def pictures(self, channels: int, longest_side: int | None, most_a_second: Fraction | None) -> Iterator[Picture]:
        """The frames in order; the network sees colours, or grey where it takes one channel.

        longest_side: px, larger frames are shrunk; most_a_second: frames in excess are dropped and the rest set to a
        constant rate. Raises DataError where a frame cannot be decoded or there is none.
        """
        reformatter = VideoReformatter()
        size: tuple[int, int] | None = None
        last_slot = -1
        for frame in self._frames():
            time = self.last_time = self._time(frame)
            self.read += 1
            if most_a_second is not None:
                slot = int(time * most_a_second)
                if slot <= last_slot:
                    continue
                last_slot, time = slot, slot / most_a_second
            self.quarter_turns = round(frame.rotation / 90)
            shown = shrunk(self._upright(_rgb(frame, reformatter)), longest_side)
            size = size or (shown.shape[0], shown.shape[1])
            if shown.shape[:2] != size:  # a stream may change its size; a file has one
                shown = cv2.resize(shown, size[::-1], interpolation=cv2.INTER_AREA)
            seen = shown if channels == 3 else cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY)[..., None]
            yield Picture(f"{self.name}, frame {self.read}", seen, shown, time)
        if not self.read:
            raise DataError([f"{self.name}: holds no frame that can be decoded"])

    def _frames(self) -> Iterator[VideoFrame]:
        try:
            yield from self.container.decode(self.stream)
        except av.FFmpegError as error:
            raise DataError(
                [
                    f"{self.name}: cannot be decoded after frame {self.read} ({error.strerror}); nothing was written: "
                    "the file is damaged there, cut it before or repair it"
                ]
            ) from None

    def _time(self, frame: VideoFrame) -> Fraction:
        """When a frame is shown, s from the start; by the declared rate where the file does not say."""
        if frame.pts is None or frame.time_base is None:
            return self.read / self.rate
        return max(Fraction(0), frame.pts * frame.time_base - self.first_time)

    def _upright(self, image: np.ndarray) -> np.ndarray:
        """Turned as the display matrix says; phones store what their sensor saw."""
        if self.quarter_turns % 4 == 0:
            return image
        return np.ascontiguousarray(np.rot90(image, self.quarter_turns))


@contextmanager
def open_video(path: Path | None) -> Iterator[VideoSource]:
    """Open a video file, or with None the stream on stdin.

    Raises DataError where it is not a video, UsageError where stdin is a terminal.
    """
    if path is None and sys.stdin.isatty():
        raise UsageError("-: reads a video from stdin, found a terminal; pipe one in, or give a file")
    name = "stdin" if path is None else str(path)
    try:
        container = av.open(sys.stdin.buffer if path is None else str(path), metadata_errors="replace")
    except av.FFmpegError as error:
        raise DataError(
            [f"{name}: cannot be read as a video ({error.strerror}); truncated, or something else"]
        ) from None
    with container:
        if not container.streams.video or container.streams.video[0].codec_context is None:
            raise DataError([f"{name}: holds no video that can be decoded"])
        yield VideoSource(cast(InputContainer, container), path)


def _rgb(frame: VideoFrame, reformatter: VideoReformatter) -> np.ndarray:
    """(H, W, 3) uint8 RGB of one frame as it is stored."""
    matrix = Colorspace.ITU709 if frame.colorspace == _UNTAGGED and frame.height >= _HD_ROWS else None
    rgb = reformatter.reformat(frame, format="rgb24", src_colorspace=matrix, interpolation=EXACT_COLOURS, threads=1)
    return rgb.to_ndarray()
