"""`make bench`: measures the presets and the networks on them, writes the results and the table of the README."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from trispike.cache import hardware_sources
from trispike.errors import TrispikeError
from trispike.files import atomic_output

from . import dense, estimates, measure, rivals, table
from .cases import RUNS, Data, Run, Skipped, sources

ROOT = Path(__file__).parents[1]

REASONS = (Skipped, TrispikeError, ModuleNotFoundError)
"""Why something is not measured here."""


def bench(
    results: Annotated[Path, typer.Option(help="File of the results.")] = ROOT / "bench/results/bench.json",
    readme: Annotated[Path | None, typer.Option(help="File that gets the table between its markers.")] = None,
    presets: Annotated[str, typer.Option(help="Presets to measure.", metavar="P,P")] = "nano,small,base,large",
    networks: Annotated[str, typer.Option(help="Networks to measure.", metavar="N,N")] = ",".join(
        dict.fromkeys(run.network for run in RUNS)
    ),
    seeds: Annotated[int, typer.Option(help="Runs of place and route per preset.", min=1)] = 5,
    large_seeds: Annotated[int, typer.Option(help="The same of preset large, each of which takes long.", min=1)] = 1,
    images: Annotated[int, typer.Option(help="Images per network.", min=1)] = 3,
    estimate: Annotated[bool, typer.Option("--estimate", help="Estimate the cycles instead of simulating.")] = False,
    xilinx: Annotated[bool, typer.Option(help="Synthesise for Xilinx 7, too.")] = True,
    rival: Annotated[bool, typer.Option(help="Synthesise the dense array, too.")] = True,
    shared: Annotated[Path, typer.Option(help="Directory of networks and data.")] = ROOT.parent / "shared" / "data",
    lenet: Annotated[Path | None, typer.Option(help="LeNet-5, .onnx, from tools/train_mnist.py.")] = None,
    lenet_data: Annotated[Path | None, typer.Option(help="Its images, .npz.")] = None,
) -> None:
    """Measure, write results and table. What is missing is skipped, with the reason in the results."""
    names = presets.split(",")

    def wanted(run: Run) -> bool:
        return run.network in networks.split(",") and run.preset in names

    runs = [run for run in RUNS if wanted(run)]
    checks = [(run, fresh) for run, fresh in estimates.CHECKED if wanted(run) and not estimate]
    devices = [(name, measure.DEVICES[name]) for name in names]
    devices += [(name, "xc7") for name in names if xilinx and name in measure.XILINX]
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=len(devices) + len(runs) + len(checks) + rival)

        def begin(what: str) -> None:
            bar.update(task, description=what)

        designs = []
        for name, device in devices:
            begin(f"{name} on {device}")
            designs.append(measure.design(name, device, large_seeds if name == "large" else seeds))
            bar.advance(task)
        found: dict[str, Any] = {"rtl": hardware_sources(), "date": datetime.now(UTC).date().isoformat()}
        rows = []
        bring = sources(shared, lenet, lenet_data)
        loaded: dict[str, Data] = {}
        for run in runs:
            begin(f"{run.network} on {run.preset}, T = {run.time_steps}")
            rows.append(_measured(run, bring, loaded, images, not estimate))
            bar.advance(task)
        checked = []
        for run, fresh in checks:
            begin(f"estimate of {run.network} on {run.preset}")
            checked += _checked(run, bring, loaded, fresh)
            bar.advance(task)
        compared = None
        if rival and "ResNet-8" in loaded and dense.PRESET in names:
            begin("dense array")
            compared = dense.figures(loaded["ResNet-8"])
        bar.advance(task, rival)
    rows = [measure.at_the_clock(row, designs) for row in rows]
    found |= {
        "designs": designs,
        "networks": rows,
        "estimates": checked,
        "e3ne": rivals.E3NE,
        "against_e3ne": rivals.against_e3ne(rows, designs),
        "dense": compared,
        "against_dense": [] if compared is None else rivals.against_dense(rows, designs, compared),
    }
    results.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(results) as file:
        file.write((json.dumps(found, indent=1) + "\n").encode())
    text = table.markdown(found)
    if readme is not None:
        table.insert(readme, text)
    typer.echo(text)


def _measured(run, bring, loaded: dict[str, Data], images: int, simulated: bool) -> dict[str, Any]:
    """A row of the networks' table, or why there is none."""
    try:
        return measure.network(run, _data(run, bring, loaded), images, simulated)
    except REASONS as reason:
        return run.names | {"skipped": str(reason)}


def _checked(run, bring, loaded: dict[str, Data], fresh: int) -> list[dict[str, Any]]:
    """Rows of the estimates' table, or why there are none."""
    try:
        return estimates.accuracy(run, _data(run, bring, loaded), fresh)
    except REASONS as reason:
        return [run.names | {"skipped": str(reason)}]


def _data(run, bring, loaded: dict[str, Data]) -> Data:
    """The model and the images of a run, brought once."""
    if run.network not in loaded:
        loaded[run.network] = bring[run.network]()
    return loaded[run.network]


if __name__ == "__main__":
    typer.run(bench)
