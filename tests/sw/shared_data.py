"""Networks and data sets that are too large, or not free enough, to be part of the project."""

from pathlib import Path

import numpy as np
import pytest

from trispike import importers
from trispike.graph import Graph

DIRECTORY = Path(__file__).parents[3] / "shared" / "data"


def shared_file(name: str) -> Path:
    """A file beside the repository; skips the test where it is not there."""
    path = DIRECTORY / name
    if not path.exists():
        pytest.skip(f"needs {name} in the directory shared/data beside the repository")
    return path


def shared_graph(name: str) -> Graph:
    """The network of an ONNX file."""
    return importers.load(shared_file(name))


def mnist(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images float32 [N, 1, 28, 28], pixel / 255, and labels [N] of `part`: "train_60k" or "test_10k"."""
    with np.load(shared_file(f"mnist_{part}.npz")) as file:
        return (file["images"][:, None] / 255).astype(np.float32), file["labels"]
