"""Cycles and look-up tables of the dense array, as large as a preset."""

from typing import Any

from amaranth.back import verilog

from trispike import api
from trispike.synthesis.synth import TOP, synthesise_verilog
from trispike.synthesis.targets import TARGETS
from trispike_hw.architecture import preset
from trispike_hw.devices import DEVICES

from .cases import Data
from .dense_array.array import WORD, DenseArray
from .dense_array.cycles import network_cycles

PRESET, DEVICE = "base", "ecp5-45k"
"""The preset with as many rows and columns, and memories of the same size."""


def design() -> str:
    """Verilog of the array with the memories of the preset: as many bits for activations as it has for spikes, as many
    weight rows in one memory as it has in all of its own."""
    arch = preset(PRESET)
    assert arch.lanes == WORD
    array = DenseArray(
        arch.columns,
        activation_words=arch.spike_words * 2 * arch.columns // (WORD * 8),
        weight_rows=arch.pairs * arch.weight_rows,
        tiles=arch.constant_tiles,
    )
    return verilog.convert(
        array,
        name=TOP,
        platform=DEVICES["ecp5"],
        emit_src=False,
        strip_internal_attrs=True,
    )


def figures(data: Data) -> dict[str, Any]:
    """Its cycles for ResNet-8 and its size, without a clock: cycles x LUT needs none."""
    arch = preset(PRESET)
    report = synthesise_verilog(design(), arch, TARGETS[DEVICE], ())
    # Only the shapes of its layers count here, which no s changes; a given one is not looked for.
    network = api.compile(data.model, arch, calibration=data.calibration, silent=1).network
    figures = report.to_dict()
    return {
        "preset": PRESET,
        "device": DEVICE,
        "cycles": network_cycles(network, arch.columns),
        **{key: figures[key] for key in ("lut", "ff", "bram", "dsp", "blocks")},
    }
