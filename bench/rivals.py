"""What the figures are compared with."""

from collections.abc import Sequence
from typing import Any

E3NE = {
    "design": "E3NE, LeNet-5, 2 convolution units of 31 x 5, 3-bit weights, 3 time steps (radix-encoding @ edad457)",
    "cycles": 64830,
    "xc7_lut": 13901,  # without those of 152 RAM32M
    "ecp5_lut": 24733,  # after packing
    "fmax_mhz": 62.5,  # ECP5-85k, speed grade 6, out of context
}
"""Gerlinghoff et al., "E3NE" (arXiv 2111.10027), their open RTL through Yosys 0.70, nextpnr-ecp5 0.11 and Verilator."""


def against_e3ne(networks: Sequence[dict[str, Any]], designs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """LeNet-5 on each preset that has both figures.

    images per cycle and LUT = 1 / (cycles x LUT), LUT of Xilinx 7 without distributed RAM; images per second and LUT =
    clock / (cycles x LUT), LUT of ECP5 after packing. Both as multiples of E3NE's.
    """
    rows = []
    for row in networks:
        if row["network"] != "LeNet-5" or "cycles" not in row:
            continue
        made = {design["device"]: design for design in designs if design["preset"] == row["preset"]}
        found: dict[str, Any] = {"preset": row["preset"], "time_steps": row["time_steps"], "cycles": row["cycles"]}
        if "xc7" in made:
            logic = sum(number for kind, number in made["xc7"]["cells"].items() if kind.startswith("LUT"))
            found["xc7_lut"] = logic
            found["images_per_cycle_and_xc7_lut"] = round(E3NE["cycles"] * E3NE["xc7_lut"] / (row["cycles"] * logic), 2)
        ecp5 = next((design for device, design in made.items() if device.startswith("ecp5")), None)
        if ecp5 is not None and ecp5["fmax_mhz"]:
            own = ecp5["fmax_mhz"] / (row["cycles"] * ecp5["lut_packed"])
            theirs = E3NE["fmax_mhz"] / (E3NE["cycles"] * E3NE["ecp5_lut"])
            found |= {"ecp5_lut": ecp5["lut_packed"], "fmax_mhz": ecp5["fmax_mhz"]}
            found["images_per_second_and_ecp5_lut"] = round(own / theirs, 2)
        rows.append(found)
    return rows


def against_dense(
    networks: Sequence[dict[str, Any]], designs: Sequence[dict[str, Any]], dense: dict[str, Any]
) -> list[dict[str, Any]]:
    """cycles x LUT of ResNet-8 on the preset that the dense array has the shape of; below 1 is better than dense."""
    made = next(design for design in designs if design["preset"] == dense["preset"] and design["device"] != "xc7")
    return [
        {
            "time_steps": row["time_steps"],
            "silent": row["silent"],
            "cycles_x_lut": row["cycles"] * made["lut"],
            "dense_cycles_x_lut": dense["cycles"] * dense["lut"],
            "ratio": round(row["cycles"] * made["lut"] / (dense["cycles"] * dense["lut"]), 3),
        }
        for row in networks
        if row["network"] == "ResNet-8" and row["preset"] == dense["preset"] and "cycles" in row
    ]
