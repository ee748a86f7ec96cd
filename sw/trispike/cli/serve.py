"""`trispike serve`: a simulated board behind a pseudo-terminal."""

from typing import Annotated

import typer

from . import options
from .console import say, show


def command(
    preset: options.Preset = None,
    arch: options.Arch = None,
    faults: Annotated[
        float,
        typer.Option(
            help="Share of the frames, both ways, that each of five kinds of fault befalls: a bit flipped, the frame "
            "dropped, repeated, truncated, held back.",
            metavar="RATE",
            min=0.0,
            max=0.5,
        ),
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the faults.", metavar="N")] = 0,
    verbose: options.Verbose = False,
) -> None:
    """Run the RTL in the fast simulator as if it were a board on a serial port, until Ctrl-C."""
    architecture = options.architecture(preset, arch)
    from trispike_sim.serve import Server  # finds the simulator, which no other verb wants

    say(f"building the simulated board with architecture {architecture.name}; the first time takes minutes")
    with Server(architecture, faults=faults, seed=seed) as server:
        show(f"serial:{server.path}")
        say("give this as --device to `trispike run`; Ctrl-C ends it")
        try:
            server.serve()
        except KeyboardInterrupt:
            counts = ", ".join(f"{count} x {fault}" for fault, count in server.fault_counts.items())
            say(f"stopped; faults: {counts or 'none'}")
