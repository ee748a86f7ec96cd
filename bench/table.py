"""The figures as Markdown, and their place in the README."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


DESIGNS = {
    "preset": "preset", "device": "device", "LUT": "lut", "FF": "ff", "block RAM": "bram", "DSP": "dsp",
    "LUT per PE": "lut_per_pe", "MHz (median)": "fmax_mhz", "seeds": "seeds", "note": "note",
}  # fmt: skip
NETWORKS = {
    "network": "network", "preset": "preset", "T": "time_steps", "s": "silent", "cycles": "cycles",
    "additions": "additions", "useful share": "useful_share", "images/s": "images_per_second",
    "images/s per kLUT": "images_per_second_per_klut", "note": "note",
}  # fmt: skip
LANE_CYCLES = {
    "network": "network", "preset": "preset", "T": "time_steps", "s": "silent", "event": "events",
    "no spike in the word": "no_event", "no word yet": "no_word", "TSA row busy": "drain",
    "weights written": "weights", "no item": "no_item",
}  # fmt: skip
ESTIMATES = {
    "network": "network", "preset": "preset", "T": "time_steps", "s": "silent", "images of the statistics": "known",
    "images of the RTL": "rtl_images", "cycles of the RTL": "cycles", "estimate, %": "error_percent",
    "worst layer, %": "worst_error_percent", "its cycles": "worst_layer_cycles",
}  # fmt: skip
AGAINST_E3NE = {
    "preset": "preset",
    "T": "time_steps",
    "images per cycle and LUT of Xilinx 7": "images_per_cycle_and_xc7_lut",
    "images per second and LUT of ECP5": "images_per_second_and_ecp5_lut",
}
AGAINST_DENSE = {
    "T": "time_steps",
    "s": "silent",
    "trispike": "cycles_x_lut",
    "dense": "dense_cycles_x_lut",
    "ratio": "ratio",
}
"""Columns of the tables: heading and key."""


def markdown(results: dict[str, Any]) -> str:
    """Tables of designs, networks and comparisons."""
    designs = [
        made | {"note": f"does not fit: {made['excess']}" if made["excess"] else ""} for made in results["designs"]
    ]
    networks = [row | {"note": _note(row)} for row in results["networks"]]
    parts = [
        f"RTL `{results['rtl']}`, {results['date']}; sizes by {_tools(designs)}.",
        _table(DESIGNS, designs),
        _table(NETWORKS, networks),
    ]
    lanes = [row | row["lane_cycles"] for row in networks if "lane_cycles" in row]
    if lanes:
        parts += ["Where the cycles of the lanes go, from input in to answer out:", _table(LANE_CYCLES, lanes)]
    checked = [
        row | {"known": f"{row['statistics_images']}, {row['statistics']}"}
        for row in results["estimates"]
        if "cycles" in row
    ]
    if checked:
        parts += [
            "How far estimated cycles are from those of the RTL, from RUN to the answer:",
            _table(ESTIMATES, checked),
        ]
    if results["against_e3ne"]:
        rival = results["e3ne"]
        parts += [
            f"LeNet-5 against E3NE ({rival['cycles']} cycles; {rival['xc7_lut']} LUT of Xilinx 7; "
            f"{rival['ecp5_lut']} LUT of ECP5 at {rival['fmax_mhz']} MHz), so many times as good:",
            _table(AGAINST_E3NE, results["against_e3ne"]),
        ]
    if results["against_dense"]:
        parts += [
            "ResNet-8, cycles x LUT against a dense int8 array of the same size without DSPs (`bench/dense_array`):",
            _table(AGAINST_DENSE, results["against_dense"]),
        ]
    return "\n\n".join(parts)


def insert(readme: Path, text: str) -> None:
    """Put `text` between the markers of `readme`.

    Raises:
        ValueError: if they are not there.
    """
    before = readme.read_text(encoding="utf-8")
    found = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if not found.search(before):
        raise ValueError(f"{readme} has no place for the table; add the lines {BEGIN} and {END}")
    after = found.sub(lambda _: f"{BEGIN}\n{text}\n{END}", before)
    fresh = readme.with_name(f".{readme.name}.new")
    fresh.write_text(after, encoding="utf-8")
    fresh.replace(readme)


def _note(row: Mapping[str, Any]) -> str:
    """Where a network's cycles come from, in how many chapters it runs if it has any, and what its architecture has
    otherwise than the preset."""
    changes = [f"{name} = {value}" for name, value in row.get("changes", {}).items()]
    chapters = [f"{row['chapters']} chapters"] if "chapters" in row else []
    return ", ".join([row.get("source") or f"skipped: {row['skipped']}", *chapters, *changes])


def _tools(designs: Sequence[dict[str, Any]]) -> str:
    versions = dict(sorted(tool for design in designs for tool in design["tools"].items()))
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "nothing"


def _table(columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows under headings; what a row does not have stays empty."""
    cells = ([_text(row.get(key)) for key in columns.values()] for row in rows)
    lines = [list(columns), ["---"] * len(columns), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: object) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, int) and value >= 10**8 else str(value)
