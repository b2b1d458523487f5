"""Fingerprints, machines and speeds to plan for, without any files."""

from __future__ import annotations

from maskfold.planning.facts.fingerprint import ClassFacts, Fingerprint
from maskfold.planning.machine import Machine
from maskfold.planning.speed import Speed

GIB = 2**30

CPU = Machine(cores=1, name="a CPU", bf16=True, ram=16 * GIB, disk=50 * GIB)
GPU = Machine(cores=16, name="a GPU", bf16=True, ram=64 * GIB, disk=500 * GIB, gpus=1, gpu_ram=16 * GIB)

# 20 images of 192x192 px a second in training, 60 in prediction.
CPU_SPEED = Speed(192**2, 0.002, 0.048, 1 / 60, 40 * 2**20, 20 * 2**20)
GPU_SPEED = Speed(384**2, 0.004, 0.005, 0.001, 200 * 2**20, 100 * 2**20)


def one_class(name="mask", images=100, width_px=(20.0, 40.0, 60.0), area_px=(400.0, 1600.0, 3600.0)):
    """A class of round objects, one in each image that shows it."""
    return ClassFacts(name, images, 1.0, width_px, area_px, 1.2, 0.1)


def facts(images=1000, size=(256, 256), **changes):
    """A competition of images of one size with one class that all show."""
    values = {
        "images": images,
        "test_images": images // 4,
        "groups": None,
        "sizes": {size: images},
        "test_sizes": {size: images // 4},
        "channels": {3: min(images, 500)},
        "stored": "uint8",
        "grey": 0.0,
        "labels_read": images,
        "empty_share": 0.0,
        "coverage": 0.2,
        "classes": (one_class(images=images),),
        "symmetry": {"horizontal": (0.001, 500), "vertical": (0.3, 500)},
    }
    return Fingerprint(**values | changes)
