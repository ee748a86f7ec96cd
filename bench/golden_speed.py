"""How fast the golden model is beside PyTorch: a batch through both, in the same process, in turn.

The bar is a golden model no slower than 3 x T forward passes of the float network in PyTorch. `make bench-golden`
runs this with one and with two threads.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

SHARED = Path(__file__).parents[2] / "shared" / "data"
PASSES_PER_STEP = 3
_CALIBRATION_IMAGES = 16


def torch_network(graph) -> Callable:
    """The float network `graph` as a function of a torch tensor [N, C, H, W]."""
    import torch
    from torch.nn import functional

    from trispike.graph import Add, AveragePool, Conv, MaxPool, Relu
    from trispike.network import INPUT

    weights = {
        node.name: (torch.tensor(node.weights), torch.tensor(node.bias))
        for node in graph.nodes
        if isinstance(node, Conv)
    }

    def padded(x, padding, value: float = 0.0):
        top, left, bottom, right = padding
        return functional.pad(x, (left, right, top, bottom), value=value) if any(padding) else x

    def run(x):
        values = {INPUT: x}
        for node in graph.nodes:
            x = values[node.inputs[0]]
            match node:
                case Conv():
                    symmetric = node.padding[:2] == node.padding[2:]
                    x = x if symmetric else padded(x, node.padding)
                    sides = node.padding[:2] if symmetric else (0, 0)
                    y = functional.conv2d(x, *weights[node.name], node.stride, sides, node.dilation, node.groups)
                case Relu():
                    y = x.clamp(0, node.upper) if node.upper is not None else x.relu()
                case MaxPool():
                    y = functional.max_pool2d(padded(x, node.padding, -np.inf), node.kernel, node.stride)
                case AveragePool():
                    y = functional.avg_pool2d(padded(x, node.padding), node.kernel, node.stride)
                case Add():
                    y = sum(values[name] for name in node.inputs)
                case _:
                    raise SystemExit(f"the benchmark has no {type(node).__name__}; choose another network")
            values[node.name] = y
        return y

    return run


def measure(model: Path, batch: int, time_steps: int, threads: int, repeats: int) -> None:
    """Print the best of `repeats` times of both, taken in turn so that both meet the same load."""
    import torch

    from trispike import importers
    from trispike.conversion import convert
    from trispike.float_reference import run
    from trispike.golden import GoldenModel
    from trispike_hw.architecture import preset

    torch.set_num_threads(threads)
    graph = importers.load(model)
    x = np.random.default_rng(0).uniform(0, 255, (batch, *graph.input_shape)).astype(np.float32)
    network, _ = convert(graph, preset("base"), calibration=x[:_CALIBRATION_IMAGES], time_steps=time_steps)
    golden, reference, tensor = GoldenModel(network), torch_network(graph), torch.from_numpy(x)
    np.testing.assert_allclose(reference(tensor[:8]).reshape(8, -1).numpy(), run(graph, x[:8]), rtol=1e-3, atol=1e-2)

    def passes() -> None:
        with torch.inference_mode():
            for _ in range(PASSES_PER_STEP * time_steps):
                reference(tensor)

    times: dict[Callable, list[float]] = {golden.run: [], passes: []}
    for _ in range(repeats):
        for work, found in times.items():
            start = time.perf_counter()
            work(x) if work == golden.run else work()
            found.append(time.perf_counter() - start)
    ours, theirs = min(times[golden.run]), min(times[passes])
    print(
        f"{graph.name}, T = {time_steps}, batch {batch}, {threads} thread{'s'[: threads > 1]}: golden "
        f"model {ours:.2f} s, {PASSES_PER_STEP * time_steps} passes of torch {theirs:.2f} s, ratio {ours / theirs:.2f}"
    )


def main(
    model: Annotated[Path, typer.Option(help="ONNX file of the network.")] = SHARED / "mlperf_resnet8_cifar10.onnx",
    batch: int = 256,
    time_steps: int = 8,
    threads: Annotated[list[int] | None, typer.Option(help="Numbers of threads; each runs in a process.")] = None,
    repeats: int = 3,
) -> None:
    """Measure the golden model and PyTorch on one batch."""
    wanted = threads or [1, 2]
    if len(wanted) == 1 and os.environ.get("OMP_NUM_THREADS") == str(wanted[0]):
        measure(model, batch, time_steps, wanted[0], repeats)
        return
    for count in wanted:  # BLAS reads the number of its threads when it is loaded
        arguments = ["--model", model, "--batch", batch, "--time-steps", time_steps, "--repeats", repeats]
        limits = {name: str(count) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        command = [sys.executable, __file__, *map(str, arguments), "--threads", str(count)]
        subprocess.run(command, env=os.environ | limits, check=True)


if __name__ == "__main__":
    typer.run(main)
