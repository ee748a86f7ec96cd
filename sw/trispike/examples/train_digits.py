"""Train the bundled network and write it with its test and calibration images into this directory.

Takes well under a minute on one CPU core. Needs the extras `torch`, `onnx` and `dev`:

    python -m trispike.examples.train_digits

All channel counts but the input's are multiples of 16, a spike word, and the whole network has less than 512 weight
rows, so that it fits even the preset nano.
"""

import argparse
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional

from trispike.examples import CALIBRATION_SET, MODEL, TEST_SET

SEED = 2408
TEST_IMAGES = 450
CALIBRATION_IMAGES = 256
PIXEL_MAXIMUM = 16.0
EPOCHS = 120
BATCH = 64
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.02
SMOOTHING = 0.05
NOISE = 1 / 64  # standard deviation of the activation noise, as a part of the tensor's maximum


class Noise(nn.Module):
    """Gaussian noise in training, the identity afterwards.

    A train of T digits rounds an activation to a multiple of scale / 2**T; a network that has learned with noise of
    that size keeps its answers after the conversion.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        return x + NOISE * x.detach().max() * torch.randn_like(x)


def block(number: int, inputs: int, outputs: int) -> dict[str, nn.Module]:
    """3x3 convolution that keeps the map's size, batch norm, ReLU."""
    return {
        f"conv{number}": nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        f"norm{number}": nn.BatchNorm2d(outputs),
        f"relu{number}": nn.ReLU(),
        f"noise{number}": Noise(),
    }


def build() -> nn.Sequential:
    """The network: [N, 1, 8, 8] -> [N, 10]."""
    layers = {
        **block(1, 1, 16),
        **block(2, 16, 16),
        "pool2": nn.MaxPool2d(2),
        **block(3, 16, 16),
        "pool3": nn.MaxPool2d(2),
        "flatten": nn.Flatten(),
        "linear": nn.Linear(16 * 2 * 2, 10),
    }
    return nn.Sequential(OrderedDict(layers))


def distort(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Every image rotated, scaled, sheared and moved a little (by at most 0.6 pixels), each in its own way."""
    count = len(x)
    identity = torch.eye(2).expand(count, 2, 2)
    matrix = identity + 0.1 * (2 * torch.rand(count, 2, 2, generator=generator) - 1)
    offset = 0.15 * (2 * torch.rand(count, 2, 1, generator=generator) - 1)
    grid = functional.affine_grid(torch.cat([matrix, offset], dim=2), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


def split() -> list[np.ndarray]:
    """Training images, test images, training labels, test labels; the same ones every time, classes in proportion."""
    pixels, labels = load_digits(return_X_y=True)
    x = (pixels / PIXEL_MAXIMUM).astype(np.float32).reshape(-1, 1, 8, 8)
    labels = labels.astype(np.int64)
    parts = train_test_split(x, labels, test_size=TEST_IMAGES, stratify=labels, random_state=SEED)
    return [np.asarray(part) for part in parts]


def train(x: np.ndarray, labels: np.ndarray, epochs: int) -> nn.Sequential:
    """The network after `epochs` epochs, in evaluation mode; the same seed gives the same network."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    images, targets = torch.from_numpy(x), torch.from_numpy(labels)
    model = build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = epochs * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=LEARNING_RATE, total_steps=steps)
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for batch in torch.randperm(len(images), generator=generator).split(BATCH):
            logits = model(distort(images[batch], generator))
            loss = functional.cross_entropy(logits, targets[batch], label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1:3d} of {epochs}: loss {total / len(images):.4f}")
    return model.eval()


def export(model: nn.Sequential, path: Path) -> None:
    """Write `model` as ONNX (opset 17, weights inside the file), batch norm left for the compiler to fold."""
    torch.onnx.export(
        model,
        (torch.zeros(1, 1, 8, 8),),
        str(path),
        dynamo=False,  # the other exporter needs onnxscript, which nothing else here does
        opset_version=17,
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "N"}, "logits": {0: "N"}},
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the bundled digits network and write it as ONNX.")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"passes over the training images ({EPOCHS})")
    arguments = parser.parse_args()

    torch.set_num_threads(1)  # more threads would add up in another order: another network
    x_train, x_test, y_train, y_test = split()
    model = train(x_train, y_train, arguments.epochs)
    with torch.no_grad():
        correct = (model(torch.from_numpy(x_test)).argmax(1).numpy() == y_test).sum()
    print(f"{correct} of {len(y_test)} held-out digits right ({100 * correct / len(y_test):.2f} %)")

    export(model, MODEL)
    np.savez_compressed(TEST_SET, x=x_test, labels=y_test)
    np.savez_compressed(CALIBRATION_SET, x=x_train[:CALIBRATION_IMAGES], labels=y_train[:CALIBRATION_IMAGES])
    print(f"wrote {MODEL.name}, {TEST_SET.name} and {CALIBRATION_SET.name}")


if __name__ == "__main__":
    main()
