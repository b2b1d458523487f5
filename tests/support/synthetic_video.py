"""Small videos with a moving ball and a tone, for tests and benchmarks."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np

TONE_HZ, SAMPLE_RATE = 440, 44100


def ball_frame(number, size=(64, 48)):
    """(height, width, 3) uint8 RGB: a bright ball on a blue and green ramp; size: (width, height) px."""
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 1] = np.linspace(0, 160, width).astype(np.uint8)
    image[..., 2] = np.linspace(160, 40, height).astype(np.uint8)[:, None]
    centre = int(width * (0.5 + 0.3 * np.sin(number / 7))), int(height * (0.5 + 0.2 * np.cos(number / 5)))
    cv2.circle(image, centre, height // 5, (250, 220, 60), -1, cv2.LINE_AA)
    return image


def make_video(
    path,
    frames=12,
    size=(64, 48),
    rate=25,
    sound="aac",
    rotation=0,
    times=None,
    codec="libx264",
    form=None,
    colour=None,
):
    """Write a video; times: of the frames in ms, for a variable rate; colour: one RGB for all of it. HD is BT.709."""
    with av.open(str(path), "w", format=form) as container:
        video = container.add_stream(codec, rate=rate, options={"crf": "10"} if codec == "libx264" else {})
        video.width, video.height = size
        video.pix_fmt = "rgb24" if codec == "png" else "yuv444p" if size[0] % 2 or size[1] % 2 else "yuv420p"
        if rotation:
            video.set_display_rotation(rotation)
        if times is not None:
            video.codec_context.time_base = Fraction(1, 1000)
        if sound:
            audio = container.add_stream(sound, rate=SAMPLE_RATE, layout="mono")
        for number in range(frames):
            image = ball_frame(number, size) if colour is None else np.full((size[1], size[0], 3), colour, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            if size[1] >= 720:  # as cameras do, and players expect it without a tag
                frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
            frame.time_base = Fraction(1, rate) if times is None else Fraction(1, 1000)
            frame.pts = number if times is None else times[number]
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if sound:
            _write_tone(container, audio, frames / rate)
    return path


def _write_tone(container, audio, seconds):
    wave = 0.3 * np.sin(2 * np.pi * TONE_HZ * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)
    planar = audio.codec_context.format.name == "fltp"
    samples = wave.astype(np.float32) if planar else (wave * 32767).astype(np.int16)
    for start in range(0, len(samples), 1024):
        part = np.ascontiguousarray(samples[None, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(part, "fltp" if planar else "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        container.mux(audio.encode(frame))
    container.mux(audio.encode())


def read_frames(path):
    """Every frame as ((height, width, 3) uint8 RGB, time in s)."""
    with av.open(str(path)) as container:
        return [(frame.to_ndarray(format="rgb24"), frame.time) for frame in container.decode(video=0)]


def read_sound(path):
    """All samples of the first track, float64 -1..1."""
    with av.open(str(path)) as container:
        parts = [frame.to_ndarray() for frame in container.decode(audio=0)]
    samples = np.concatenate(parts, axis=1)[0]
    return samples / 32768 if samples.dtype == np.int16 else samples.astype(np.float64)
