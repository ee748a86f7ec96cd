"""Networks of ImageNet's size on preset large: they compile, and the golden model runs them."""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from trispike import float_reference, image, importers
from trispike.book import Book
from trispike.golden import GoldenModel

pytest.importorskip("torch")
from imagenet_networks import INPUT_SHAPE, save_onnx

pytestmark = pytest.mark.long

MOST_SECONDS = 120
MOST_BYTES = 4 << 30


def random_images(count: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, *INPUT_SHAPE)).astype(np.float32)


def compile_in_a_process(name: str, directory: Path) -> tuple[float, int]:
    """Seconds of processor time and most bytes of memory that `trispike compile` takes for a network."""
    save_onnx(name, directory / "net.onnx")
    np.savez(directory / "x.npz", x=random_images(2))
    options = ["net.onnx", "-o", "image", "--preset", "large", "--calibrate", "x.npz"]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, "-m", "trispike.cli", "compile", *options], cwd=directory, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{name}: {busy:.0f} s of processor time, {time.monotonic() - start:.0f} s, {after.ru_maxrss / 1e6:.2f} GB")
    return busy, after.ru_maxrss * 1024


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v1", "vgg16"])
def test_compiles_for_large_and_runs(name: str, tmp_path: Path) -> None:
    seconds, most = compile_in_a_process(name, tmp_path)
    if name == "resnet18":
        assert seconds < MOST_SECONDS
        assert most < MOST_BYTES
    shown = [sys.executable, "-m", "trispike.cli", "inspect", "image"]
    print(subprocess.run(shown, cwd=tmp_path, check=True, capture_output=True, text=True).stdout)
    content = json.loads(subprocess.run([*shown, "--json"], cwd=tmp_path, check=True, capture_output=True).stdout)
    assert content["chapters"] > 1
    assert all(used <= there for used, there in content["memories"].values())
    assert content["estimate"]["cycles"] > 1_000_000
    book = image.load(tmp_path / "image")
    assert isinstance(book, Book)
    x = random_images(1)
    result = GoldenModel(book.network).run(x)
    wanted = float_reference.run(importers.load(tmp_path / "net.onnx"), x)
    assert np.corrcoef(result.logits[0], wanted[0])[0, 1] > 0.9
