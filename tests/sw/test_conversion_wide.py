"""Wide layers: chains of parts that sum up to what the layer computes, and stay close to it as spikes."""

import numpy as np
import pytest
from book_emulation import check_book
from emulation import check
from small_graphs import Builder, images, residual

from trispike.book import Book
from trispike.conversion import convert
from trispike.conversion.canonical import canonical
from trispike.conversion.fuse import Plan, fuse
from trispike.conversion.wide import parted, partial_sums
from trispike.float_reference import run
from trispike.graph import Graph
from trispike.lowering import fit
from trispike.network import INPUT, Mode
from trispike.program import Program
from trispike_hw.architecture import Architecture, build, preset


def narrow(rows: int, **fields: int) -> Architecture:
    return build(preset("small").model_dump() | {"name": "narrow", "weight_rows": rows} | fields)


def wide_graph() -> Graph:
    """3x3 convolutions over 20 and 40 channels, a residual addition, 5x5 with stride 2, a hidden linear layer."""
    net = Builder((20, 6, 6))
    first = net.relu(net.conv(INPUT, 40))
    second = net.relu(net.conv(first, 40))
    joined = net.relu(net.add(net.conv(second, 40), first))
    small = net.relu(net.conv(joined, 24, kernel=5, stride=2))
    hidden = net.relu(net.conv(small, 50, kernel=3, padding=(0, 0, 0, 0)))
    net.conv(hidden, 10, kernel=1)
    return net.graph("wide")


def chains(plan: Plan) -> dict[str, list[str]]:
    """Names of the parts that stand before each layer that has some."""
    found: dict[str, list[str]] = {}
    for layer in plan.layers:
        if layer.partial:
            found.setdefault(layer.name.rsplit("/part", 1)[0], []).append(layer.name)
    return found


def test_networks_that_fit_stay_as_they_are() -> None:
    plan = fuse(canonical(wide_graph()))
    assert parted(plan, preset("small")) == plan


@pytest.mark.parametrize("rows", [64, 100, 200, 350])
def test_parts_fit_and_add_up(rows: int) -> None:
    """Every layer but the last one fits, and each chain ends in what the float network computes before its ReLU."""
    graph, arch = canonical(wide_graph()), narrow(rows)
    plan = parted(fuse(graph), arch)
    assert chains(plan)
    x = images(graph, 2)
    _, outputs = run(graph, x, keep=True)
    tensors = {INPUT: x}
    for layer in plan.layers[:-1]:
        needed = sum(segment.weights[0].size for segment in layer.segments)
        assert needed <= rows, layer.name
        sums = partial_sums(layer, tensors)
        if layer.partial:
            assert (layer.mode, layer.pool, layer.bias.any()) == (Mode.SIGNED, None, False)
            tensors[layer.name] = sums
            continue
        tensors[layer.name] = outputs[layer.tensor]
        if layer.segments[-1].source.rsplit("/part", 1)[0] == layer.name:
            whole = np.maximum(sums + layer.bias[:, None, None], 0)
            np.testing.assert_allclose(whole, outputs[layer.tensor], atol=1e-4)


def test_one_pixel_gets_parts_of_half_the_rows() -> None:
    """A hidden linear layer: two parts find room at a time, so that one comes while the other runs."""
    net = Builder((200, 1, 1))
    net.conv(net.relu(net.conv(INPUT, 30, kernel=1)), 10, kernel=1)
    plan = parted(fuse(canonical(net.graph("linear"))), narrow(128))
    used = [max(segment.weights.shape[1] for segment in layer.segments[:1]) for layer in plan.layers[:-1]]
    assert used == [48, 48, 48, 48]  # 64 rows less 8 for copies, in whole words; the last part has 8 more


@pytest.mark.parametrize(("rows", "fields"), [(200, {}), (100, {"spike_words": 1024}), (64, {"constant_tiles": 4})])
def test_chains_lose_little_and_the_machine_agrees(rows: int, fields: dict[str, int]) -> None:
    graph, arch = wide_graph(), narrow(rows, **fields)
    x = images(graph, 12)
    _, whole = convert(graph, preset("small"), calibration=x, silent=1)
    network, report = convert(graph, arch, calibration=x, silent=1)
    assert len(network.layers) > len(whole.layers)
    error = {row.name: row.sqnr_db or 0 for row in report.layers}
    for row in whole.layers:
        assert error[row.name] > (row.sqnr_db or 0) - 10, row.name
    program, reason = fit(network, arch)
    assert isinstance(program, Book) == (reason is not None)
    if isinstance(program, Program):
        check(program, list(x[:1]))
    else:
        check_book(program, list(x[:1]))


def test_a_layer_with_a_shortcut_has_it_in_the_last_part() -> None:
    graph = residual("identity", channels=16)
    plan = parted(fuse(canonical(graph)), narrow(64))
    lanewise = [(layer.name, segment.source) for layer in plan.layers for segment in layer.segments if segment.splits]
    copies = [pair for pair in lanewise if not pair[1].startswith(pair[0].rsplit("/part", 1)[0] + "/part")]
    assert copies and all("/part" not in name for name, _ in copies)
