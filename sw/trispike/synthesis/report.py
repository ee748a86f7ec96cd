"""What synthesis, placing and routing came to."""

from dataclasses import asdict, dataclass
from typing import Any

from .nextpnr import Routing, median_and_best
from .targets import RESOURCES, Target


@dataclass(frozen=True)
class SynthesisReport:
    """A design on a device.

    `resources` by name ("lut", "ff", "bram", "dsp", and "spram" where there are) as synthesised: a CCU2C counts two
    look-up tables, a distributed RAM those that hold it. `blocks` says the same of every block, named by its place in
    the hierarchy, all instances of one kind together. `cells` counts types. `routings` are the runs of the router,
    `stuck_seeds` those seeds with which it found no end.
    """

    architecture: str
    digest: str
    target: Target
    processing_elements: int
    resources: dict[str, float]
    blocks: dict[str, dict[str, float]]
    cells: dict[str, int]
    routings: tuple[Routing, ...]
    tools: dict[str, str]
    stuck_seeds: tuple[int, ...] = ()

    @property
    def excess(self) -> str | None:
        """What does not fit the device, in words; None if all does, as far as synthesis can tell."""
        wrong = [
            f"{self.resources[resource]} {RESOURCES[resource]} where there are {available}"
            for resource, available in self.target.holds.items()
            if self.resources[resource] > available
        ]
        return " and ".join(wrong) or None

    def to_dict(self) -> dict[str, Any]:
        """The report in types that JSON knows; clocks are null without a router, and `lut_packed` counts the look-up
        tables that it took, those of carry chains' ends included."""
        median, best = median_and_best(self.routings)
        packed = self.routings[0].utilisation if self.routings else {}
        return {
            "architecture": self.architecture,
            "digest": self.digest,
            "device": self.target.name,
            "processing_elements": self.processing_elements,
            **self.resources,
            "fmax_mhz": median,
            "fmax_best_mhz": best,
            "lut_packed": packed.get("TRELLIS_COMB", packed.get("ICESTORM_LC")),
            "lut_per_pe": round(self.resources["lut"] / self.processing_elements, 1),
            "fits": self.excess is None,
            "blocks": self.blocks,
            "cells": self.cells,
            "seeds": [asdict(routing) for routing in self.routings],
            "stuck_seeds": list(self.stuck_seeds),
            "tools": self.tools,
        }
