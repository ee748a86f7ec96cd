"""Networks of ImageNet's size on preset large: they compile, and the golden model runs them."""

import json
import os
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


def run_command(directory: Path, *arguments: str) -> str:
    """What `trispike` prints, run in `directory` in a process of its own, which sees the same sources as this one."""
    command = [sys.executable, "-m", "trispike.cli", *arguments]
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, cwd=directory, env=paths, check=True, stdout=subprocess.PIPE, text=True).stdout


def compile_in_a_process(name: str, directory: Path) -> tuple[float, int]:
    """Seconds of processor time and most bytes of memory that `trispike compile` takes for a network."""
    save_onnx(name, directory / "net.onnx")
    np.savez(directory / "x.npz", x=random_images(2))
    options = ["net.onnx", "-o", "image", "--preset", "large", "--calibrate", "x.npz"]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    run_command(directory, "compile", *options)
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
    print(run_command(tmp_path, "inspect", "image"))
    content = json.loads(run_command(tmp_path, "inspect", "image", "--json"))
    assert content["chapters"] > 1
    assert all(used <= there for used, there in content["memories"].values())
    assert content["estimate"]["cycles"] > 1_000_000
    book = image.load(tmp_path / "image")
    assert isinstance(book, Book)
    x = random_images(1)
    result = GoldenModel(book.network).run(x)
    wanted = float_reference.run(importers.load(tmp_path / "net.onnx"), x)
    assert np.corrcoef(result.logits[0], wanted[0])[0, 1] > 0.9
