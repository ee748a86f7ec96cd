"""Train a small convolutional network on MNIST or Fashion-MNIST and write it as ONNX.

The networks are for trying trispike on something larger than the bundled digits; their weights are not part of the
project. Each data file is an `.npz` with `images` (uint8 [N, 28, 28]) and `labels` (uint8 [N]):

    python tools/train_mnist.py lenet5 mnist_train.npz mnist_test.npz lenet5.onnx --epochs 20 --seed 1

The ONNX file (opset 17, one file) takes `input` (float32 [N, 1, 28, 28], pixel / 255) and gives `logits`
(float32 [N, 10]). The test set is looked at once, after the last epoch; no checkpoint or setting is chosen on it.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import onnxruntime
import torch
import typer
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

CALIBRATION_IMAGES = 512
CLASSES = 10


def _conv(inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0, pool: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU and, where `pool` > 1, max pooling over pool x pool pixels."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]
    if pool > 1:
        layers.append(nn.MaxPool2d(pool))
    return nn.Sequential(*layers)


def _linear(inputs: int, outputs: int) -> nn.Sequential:
    """Linear layer, batch norm and ReLU."""
    return nn.Sequential(nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU())


def lenet5() -> nn.Module:
    """LeNet-5 class, 28 x 28 pixels without padding: 6c5 - max2 - 16c5 - max2 - 120 - 84 - 10."""
    return nn.Sequential(
        _conv(1, 6, 5, pool=2),  # 12 x 12 x 6
        _conv(6, 16, 5, pool=2),  # 4 x 4 x 16
        nn.Flatten(),
        _linear(256, 120),
        _linear(120, 84),
        nn.Linear(84, CLASSES),
    )


def mnist16() -> nn.Module:
    """Channels in multiples of 16, made for the array of preset small.

    The first layer has one input channel and so keeps the array least busy: a stride of 2 makes its map small. At
    T = 8 no layer holds more than 3456 spike words (input and output), and all weights together are 1593 rows.
    """
    return nn.Sequential(
        _conv(1, 16, 5, stride=2),  # 12 x 12 x 16
        _conv(16, 32, 3, padding=1),  # 12 x 12 x 32
        _conv(32, 32, 3, padding=1, pool=2),  # 6 x 6 x 32
        _conv(32, 32, 3, pool=2),  # 2 x 2 x 32
        nn.Flatten(),
        nn.Linear(128, CLASSES),
    )


def fashion16() -> nn.Module:
    """Channels in multiples of 16, for Fashion-MNIST on preset base.

    At T = 8 no layer holds more than 9408 spike words (input and output).
    """
    return nn.Sequential(
        _conv(1, 16, 3, padding=1),  # 28 x 28 x 16
        _conv(16, 32, 3, padding=1, pool=2),  # 14 x 14 x 32
        _conv(32, 64, 3, padding=1, pool=2),  # 7 x 7 x 64
        _conv(64, 128, 3, padding=1),  # 7 x 7 x 128
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, CLASSES),
    )


@dataclass(frozen=True)
class Recipe:
    """How one network is trained: its model, what is done to the images, and the optimiser's settings."""

    model: Callable[[], nn.Module]
    rotation: float  # degrees to either side
    scale: float  # relative, to either side
    shift: int  # whole pixels to either side
    flip: bool  # left and right exchanged in half of the images
    peak_rate: float = 4e-3
    weight_decay: float = 0.02
    batch: int = 128


RECIPES = {
    "lenet5": Recipe(lenet5, rotation=10.0, scale=0.1, shift=2, flip=False),
    "mnist16": Recipe(mnist16, rotation=10.0, scale=0.1, shift=2, flip=False),
    "fashion16": Recipe(fashion16, rotation=0.0, scale=0.0, shift=2, flip=True),
}


def read(path: Path) -> tuple[Tensor, Tensor]:
    """Images (float32 [N, 1, 28, 28], 0..1) and labels (int64 [N]) of one data file."""
    with np.load(path) as data:
        images, labels = data["images"], data["labels"]
    return torch.from_numpy(images.astype(np.float32)[:, None] / 255), torch.from_numpy(labels.astype(np.int64))


def _between(low: float, high: float, count: int, generator: torch.Generator) -> Tensor:
    """`count` random numbers, uniform in low..high."""
    return low + (high - low) * torch.rand(count, generator=generator)


def augment(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """The images, each turned, scaled, shifted and mirrored at random as the recipe says."""
    count, _, _, side = images.shape
    angle = torch.deg2rad(_between(-recipe.rotation, recipe.rotation, count, generator))
    zoom = _between(1 - recipe.scale, 1 + recipe.scale, count, generator)
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5 * recipe.flip, -1.0, 1.0)
    # affine_grid counts in half image sides, hence 2 / side for a pixel.
    shift = torch.randint(-recipe.shift, recipe.shift + 1, (2, count), generator=generator) * 2 / side
    cosine, sine = zoom * torch.cos(angle), zoom * torch.sin(angle)
    matrix = torch.stack([cosine * mirror, -sine, shift[0], sine * mirror, cosine, shift[1]], dim=1).view(count, 2, 3)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def _batches(
    images: Tensor, labels: Tensor, recipe: Recipe, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch of augmented batches in random order; the last, incomplete one is left out."""
    order = torch.randperm(len(images), generator=generator)
    for chosen in order[: len(order) // recipe.batch * recipe.batch].split(recipe.batch):
        yield augment(images[chosen], recipe, generator), labels[chosen]


def train(images: Tensor, labels: Tensor, recipe: Recipe, epochs: int, seed: int) -> nn.Module:
    """The trained network: the moving average of the weights over the last few hundred steps, in eval mode."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = recipe.model().to(memory_format=torch.channels_last)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.peak_rate, total_steps=epochs * (len(images) // recipe.batch), pct_start=0.2
    )
    for epoch in range(epochs):
        start, total, steps = time.monotonic(), 0.0, 0
        for x, target in _batches(images, labels, recipe, generator):
            loss = functional.cross_entropy(model(x.contiguous(memory_format=torch.channels_last)), target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            average.update_parameters(model)
            total, steps = total + loss.item(), steps + 1
        typer.echo(f"epoch {epoch + 1:2d}/{epochs}: loss {total / steps:.4f}, {time.monotonic() - start:.0f} s")
    return average.module.to(memory_format=torch.contiguous_format).eval()


def export(model: nn.Module, example: Tensor, path: Path) -> None:
    """Write the network as one ONNX file of opset 17 with a dynamic batch."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        model,
        (example,),
        str(path),
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "N"}, "logits": {0: "N"}},
        opset_version=17,
        dynamo=False,  # the newer exporter writes opset 18 and up, and keeps weights in a second file
    )


def accuracy(path: Path, images: Tensor, labels: Tensor) -> float:
    """Share of images that the ONNX file classifies correctly, computed by onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    found = [np.asarray(session.run(["logits"], {"input": x.numpy()})[0]).argmax(axis=1) for x in images.split(500)]
    return float(np.mean(np.concatenate(found) == labels.numpy()))


def main(
    architecture: Annotated[str, typer.Argument(help=f"one of {', '.join(RECIPES)}")],
    train_data: Annotated[Path, typer.Argument(exists=True, help="training images, .npz")],
    test_data: Annotated[Path, typer.Argument(exists=True, help="test images, .npz")],
    output: Annotated[Path, typer.Argument(help="ONNX file to write")],
    epochs: Annotated[int, typer.Option(min=1)] = 20,
    seed: Annotated[int, typer.Option()] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; the result depends on them")] = 1,
    calibration: Annotated[Path | None, typer.Option(help="also write input for `compile --calibrate`")] = None,
    test_input: Annotated[Path | None, typer.Option(help="also write input for `run --input`")] = None,
) -> None:
    """Train one network and say how accurate the written ONNX file is on the test images."""
    if architecture not in RECIPES:
        raise typer.BadParameter(f"there is no network {architecture!r}; choose one of {', '.join(RECIPES)}")
    torch.set_num_threads(threads)
    images, labels = read(train_data)
    test_images, test_labels = read(test_data)
    if calibration is not None:
        chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:CALIBRATION_IMAGES]
        np.savez_compressed(calibration, x=images[chosen].numpy())
    if test_input is not None:
        np.savez_compressed(test_input, x=test_images.numpy(), labels=test_labels.numpy())
    model = train(images, labels, RECIPES[architecture], epochs, seed)
    export(model, test_images[:1], output)
    correct = accuracy(output, test_images, test_labels)
    typer.echo(f"{architecture}: {sum(p.numel() for p in model.parameters())} parameters, test accuracy {correct:.2%}")


if __name__ == "__main__":
    typer.run(main)
