"""The bundled network: a small CNN on scikit-learn's 8x8 handwritten digits, with the images that test it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

_HERE = Path(__file__).parent

MODEL = _HERE / "digits.onnx"  #: float32, batch axis free, input [N, 1, 8, 8], output logits [N, 10]
TEST_SET = _HERE / "digits_test.npz"  #: `x` and `labels` of the held-out images; never seen in training
CALIBRATION_SET = _HERE / "digits_calibration.npz"  #: `x` and `labels` of some training images


@dataclass(frozen=True)
class Digits:
    """Preprocessed images `x`, float32 [N, 1, 8, 8] in 0..1, and their `labels`, int64 [N]."""

    x: np.ndarray
    labels: np.ndarray


def load_digits(path: Path = TEST_SET) -> Digits:
    """The images of one of the bundled sets."""
    with np.load(path, allow_pickle=False) as file:
        return Digits(x=file["x"], labels=file["labels"])
