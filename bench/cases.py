"""The networks that are measured, and where they run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trispike.files import load_images

CALIBRATION = 256


class Skipped(Exception):
    """A network cannot be measured here; the text says why."""


@dataclass(frozen=True)
class Data:
    """A model that the compiler reads, and images float32 [N, C, H, W] to calibrate it and to measure it."""

    model: Any
    calibration: np.ndarray
    images: np.ndarray


@dataclass(frozen=True)
class Run:
    """A network on a preset with T steps, s of them silent; `changes` are fields of the architecture that it needs
    otherwise."""

    network: str
    preset: str
    time_steps: int
    silent: int = 1
    changes: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> dict[str, Any]:
        """What tells its row of the results from others."""
        return {
            "network": self.network,
            "preset": self.preset,
            "time_steps": self.time_steps,
            "silent": self.silent,
        }


RUNS = (
    Run("LeNet-5", "small", 6),
    Run("LeNet-5", "large", 6),
    Run("ResNet-8", "base", 8),
    Run("ResNet-8", "base", 6),
    Run("ResNet-8", "base", 5, silent=2),  # within half a percent of float or above, see docs/accuracy.md
    Run("ResNet-8", "large", 8),
    Run("DS-CNN", "base", 8),
    Run("DS-CNN", "base", 8, silent=3),  # what the compiler chooses for it
    Run("DS-CNN", "large", 8, silent=3),
    Run("ResNet-20 shape", "base", 8, changes={"program_words": 2048}),
)


def sources(shared: Path, lenet: Path | None, lenet_data: Path | None) -> dict[str, Callable[[], Data]]:
    """What brings each network's data, by its name."""
    return {
        "LeNet-5": lambda: _lenet(lenet, lenet_data),
        "ResNet-8": lambda: _resnet8(shared),
        "DS-CNN": lambda: _dscnn(shared),
        "ResNet-20 shape": _resnet20,
    }


def _found(path: Path | None, what: str) -> Path:
    if path is None:
        raise Skipped(f"{what} is not given")
    if not path.exists():
        raise Skipped(f"there is no {path}")
    return path


def _lenet(model: Path | None, data: Path | None) -> Data:
    """Trained by tools/train_mnist.py; measured on other images than it is calibrated on."""
    x = load_images(_found(data, "--lenet-data"))
    return Data(_found(model, "--lenet"), x[-CALIBRATION:], x[:-CALIBRATION])


def _resnet8(shared: Path) -> Data:
    def images(name: str) -> np.ndarray:
        with np.load(_found(shared / name, name)) as file:
            return file["images"].transpose(0, 3, 1, 2).astype(np.float32)

    return Data(
        _found(shared / "mlperf_resnet8_cifar10.onnx", "ResNet-8"),
        images("cifar10_train_first4k_lossless.npz")[:CALIBRATION],
        images("cifar10_test_lossless_subset.npz"),
    )


def _dscnn(shared: Path) -> Data:
    with np.load(_found(shared / "kws_mlperf_kws01_1000_mfcc_int8.npz", "keywords")) as file:
        x = (0.5847029089927673 * (file["mfcc"].astype(np.float32) - 83))[:, None].astype(np.float32)
    return Data(_found(shared / "mlperf_dscnn_kws_float.onnx", "DS-CNN"), x[-CALIBRATION:], x[:-CALIBRATION])


def _resnet20() -> Data:
    from .resnet20 import images, model  # needs PyTorch

    return Data(model(), images(64, seed=200), images(4))
