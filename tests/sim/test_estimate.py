"""Estimated cycles against those that the RTL counts, with the spikes of the same images."""

import numpy as np
import pytest
from random_networks import random_image, random_network
from shapes import PAIR
from small_graphs import GRAPHS
from small_graphs import images as made_up

from trispike.conversion import convert
from trispike.estimate import estimate
from trispike.examples import load_digits
from trispike.examples.demo import compile_digits
from trispike.lowering import lower
from trispike_hw.architecture import build, preset
from trispike_sim.simulate import simulate

# One worker runs all tests on the Verilator model of preset small, which takes long to build.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("preset small"), pytest.mark.usefixtures("verilator")]

CLOSE_PER_LAYER, CLOSE_IN_ALL = 0.02, 0.01
FEW = 8  # cycles: what the state machines' phases may add up to in a layer that takes no time


def check(program, x, per_layer=CLOSE_PER_LAYER):
    """Estimate and simulate the same images, at most TIMED of them.

    The first image after a reset counts for nothing: the answer store is being cleared whole. Nor does the second: an
    image begins with the lane behind the last one of the image before, so that of two lanes it is the same every other
    image, as in the estimate.
    """
    estimated, report = (
        estimate(program, x),
        simulate(program, np.concatenate([x[:1], x[:1], x]), stalls=False, engine="verilator"),
    )
    assert report.bit_exact
    images = report.images[2:]
    counted = [np.mean([layer.cycles for layer in same]) for same in zip(*(im.layers for im in images), strict=True)]
    for layer, cycles in zip(estimated.layers, counted, strict=True):
        assert layer.cycles == pytest.approx(cycles, rel=per_layer, abs=FEW), layer.name
    assert estimated.cycles == pytest.approx(np.mean(report.cycles[2:]), rel=CLOSE_IN_ALL, abs=FEW)
    assert estimated.input_cycles == images[0].input_cycles
    assert estimated.additions == pytest.approx(np.mean([image.additions for image in images]))
    assert sum(layer.events for layer in estimated.layers) == np.mean([image.events for image in images])


@pytest.mark.parametrize("name", ["small", pytest.param("nano", marks=pytest.mark.long)])
def test_digits(name):
    check(compile_digits(name), load_digits().x[:1])


@pytest.mark.long
@pytest.mark.parametrize(("lanes", "clusters"), [(8, 2), (32, 4)])
def test_several_clusters(lanes, clusters):
    changes = {"name": "clusters", "lanes": lanes, "clusters": clusters, "tsa_width": 8, "sum_vectors": 1}
    arch = build(preset("small").model_dump() | changes)
    network = random_network(3, arch, largest=8)
    check(lower(network, arch), random_image(network, 1)[None])


@pytest.mark.long
def test_weights_from_outside():
    arch = build(PAIR.model_dump() | {"name": "tight", "weight_rows": 96})
    network = random_network(11, PAIR, largest=5)
    program = lower(network, arch)
    assert program.external is not None
    # Layers of 481 and 199 cycles, timed 2.5 % too short and 7 % too long: slots that find a lane's ring full hold up
    # all windows behind them, which the estimate does not know.
    check(program, random_image(network, 1)[None], per_layer=0.08)


@pytest.mark.long
@pytest.mark.parametrize("name", ["projected", "vgg", "separable"])
def test_branches_pooling_and_depthwise_layers(name):
    graph, arch = GRAPHS[name](), preset("small")
    network, _ = convert(graph, arch, calibration=made_up(graph, 32), time_steps=3)
    check(lower(network, arch), made_up(graph, 1, seed=5))
