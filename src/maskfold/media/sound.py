"""The sound of a video on its way into another one: copied packet by packet, or coded anew where that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Discard

from maskfold.errors import DataError

# What players expect in these files; matroska holds anything.
_COPIED = {"mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"}, "mov": {"aac", "mp3", "ac3", "eac3", "alac"}}
_CODEC, _BITS_A_SECOND = "aac", 192_000
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)


class Sound:
    """All sound tracks of a video file, written into an open container in step with its frames.

    The file is opened a second time, so that frames may take their time without packets of sound piling up.
    """

    def __init__(self, path: Path, first_time: Fraction, output: OutputContainer, form: str) -> None:
        """first_time: s, what the times of the output are counted from; form: mp4, mov or mkv."""
        self.output, self.first_time = output, first_time
        with ExitStack() as opened:
            self.container = opened.enter_context(av.open(str(path), metadata_errors="replace"))
            for stream in self.container.streams:
                if stream.type != "audio":
                    stream.discard = Discard.all
            copied = _COPIED.get(form)
            self.tracks: dict[int, _Copied | _Coded] = {
                stream.index: (
                    _Copied(stream, output)
                    if copied is None or stream.codec_context.name in copied
                    else _Coded(stream, output)
                )
                for stream in self.container.streams.audio
                if stream.codec_context is not None
            }
            self._closing = opened.pop_all()
        self._packets = self._timed_packets()
        self._next = next(self._packets, None)

    def write_until(self, time: Fraction | None) -> None:
        """Write what sounds up to `time`, s of the output; with None all that is left.

        Raises DataError where the sound is damaged.
        """
        try:
            self._write_until(time)
        except av.FFmpegError as error:
            if isinstance(error, OSError):  # the disk, not the sound
                raise
            problem = f"{self.container.name}: its sound cannot be carried over ({error.strerror})"
            raise DataError([f"{problem}; leave it out with --mute"]) from None

    def _write_until(self, time: Fraction | None) -> None:
        while self._next is not None and (time is None or self._next[0] <= time):
            packet = self._next[1]
            if self.first_time:
                shift = round(self.first_time / packet.time_base)
                assert packet.dts is not None, "packets without are left out"
                packet.pts = None if packet.pts is None else packet.pts - shift
                packet.dts -= shift
            self.output.mux(list(self.tracks[packet.stream.index].packets(packet)))
            self._next = next(self._packets, None)
        if time is None:
            for track in self.tracks.values():
                self.output.mux(list(track.packets(None)))

    def close(self) -> None:
        """Close the input."""
        self._closing.close()

    def _timed_packets(self) -> Iterator[tuple[Fraction, Packet]]:
        for packet in self.container.demux(self.container.streams.audio):
            # The empty packets at the end only flush decoders.
            if packet.dts is not None and packet.stream.index in self.tracks:
                yield packet.dts * packet.time_base - self.first_time, packet


class _Copied:
    """A track whose packets are passed on as they are."""

    def __init__(self, stream: AudioStream, output: OutputContainer) -> None:
        self.stream = output.add_stream_from_template(stream)

    def packets(self, packet: Packet | None) -> Iterator[Packet]:
        if packet is not None:
            packet.stream = self.stream
            yield packet


class _Coded:
    """A track that is decoded and coded as AAC."""

    def __init__(self, stream: AudioStream, output: OutputContainer) -> None:
        self.source = stream
        rate = stream.codec_context.sample_rate
        rate = rate if rate in _AAC_RATES else 48000
        layout = "mono" if stream.codec_context.channels == 1 else "stereo"
        self.stream = cast(AudioStream, output.add_stream(_CODEC, rate=rate, layout=layout))
        self.stream.bit_rate = _BITS_A_SECOND
        self.resampler = AudioResampler(format="fltp", layout=layout, rate=rate)

    def packets(self, packet: Packet | None) -> Iterator[Packet]:
        frames = self.source.decode(packet) if packet is not None else self.source.decode(None)
        for frame in frames:
            for part in self.resampler.resample(frame):
                yield from self.stream.encode(part)
        if packet is None:
            for part in self.resampler.resample(None):
                yield from self.stream.encode(part)
            yield from self.stream.encode(None)
