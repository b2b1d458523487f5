"""The sound of a video on its way into another one, copied packet by packet."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Discard

from maskfold.errors import DataError

# What players expect in these files; matroska holds anything.
_HELD = {"mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"}, "mov": {"aac", "mp3", "ac3", "eac3", "alac"}}


def sound_problem(name: str, codecs: Collection[str], form: str) -> str | None:
    """Why the sound of a video cannot be copied into a file of a format, None where it can.

    codecs: of its sound tracks, as ffmpeg calls them; form: one of VIDEO_FORMATS.
    """
    refused = [codec for codec in codecs if codec not in _HELD.get(form, codecs)]
    if not refused:
        return None
    advice = "write it as mkv (--video-format mkv), or leave the sound out with --mute"
    return f"{name}: {form} cannot hold its sound ({', '.join(refused)}); {advice}"


class Sound:
    """All sound tracks of a video file, written into an open container in step with its frames.

    The file is opened a second time, so that frames may take their time without packets of sound piling up.
    """

    def __init__(self, path: Path, first_time: Fraction, output: OutputContainer) -> None:
        """first_time: s, what the times of the output are counted from."""
        self.output, self.first_time = output, first_time
        self.container = av.open(str(path), metadata_errors="replace")
        for stream in self.container.streams:
            if stream.type != "audio":
                stream.discard = Discard.all
        self.tracks = {
            stream.index: output.add_stream_from_template(stream)
            for stream in self.container.streams.audio
            if stream.codec_context is not None
        }
        self._packets = self._timed_packets()
        self._next = next(self._packets, None)

    def write_until(self, time: Fraction | None) -> None:
        """Write what sounds up to `time`, s of the output; with None all that is left.

        Raises DataError where the sound is damaged.
        """
        try:
            while self._next is not None and (time is None or self._next[0] <= time):
                self.output.mux(self._moved(self._next[1]))
                self._next = next(self._packets, None)
        except av.FFmpegError as error:
            if isinstance(error, OSError):  # the disk, not the sound
                raise
            problem = f"{self.container.name}: its sound cannot be copied ({error.strerror})"
            raise DataError([f"{problem}; leave it out with --mute"]) from None

    def close(self) -> None:
        """Close the input."""
        self.container.close()

    def _moved(self, packet: Packet) -> Packet:
        """A packet with the output's times and track."""
        shift = round(self.first_time / packet.time_base)
        assert packet.dts is not None, "packets without are left out"
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts -= shift
        packet.stream = self.tracks[packet.stream.index]
        return packet

    def _timed_packets(self) -> Iterator[tuple[Fraction, Packet]]:
        for packet in self.container.demux(self.container.streams.audio):
            # The empty packets at the end only flush decoders.
            if packet.dts is not None and packet.stream.index in self.tracks:
                yield packet.dts * packet.time_base - self.first_time, packet
