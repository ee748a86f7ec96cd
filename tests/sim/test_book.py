"""Books on the generated accelerator: chapter by chapter, every box that leaves is the golden model's."""

from dataclasses import replace

import numpy as np
import pytest
from random_networks import random_image, random_network
from shapes import PAIR
from small_books import ROOMY, tightest
from small_graphs import Builder, images

from trispike.book import Book
from trispike.conversion import convert
from trispike.errors import ToolError
from trispike.lowering import fit
from trispike.network import INPUT
from trispike_hw.architecture import build
from trispike_sim.simulate import simulate
from trispike_sim.tools import find

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def icarus() -> str:
    try:
        return find("icarus").engine
    except ToolError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("seed", "stalls"), [(1, True), (4, False), (5, True)])
def test_random_books_are_bit_exact(icarus: str, seed: int, stalls: bool) -> None:
    book = tightest(random_network(seed, ROOMY, largest=8))
    assert isinstance(book, Book)
    x = np.stack([random_image(book.network, number) for number in range(2)])
    report = simulate(book, x, engine=icarus, seed=seed, stalls=stalls)
    assert report.explain() == "bit-exact: all trains and integers of 2 images equal the golden model's"


def test_chains_and_residual_additions_are_bit_exact(icarus: str) -> None:
    """A layer in parts, a sum whose terms come from different chapters, stride 2, a pooled layer, padding."""
    net = Builder((3, 9, 9))
    first = net.relu(net.conv(INPUT, 20, stride=2))
    joined = net.relu(net.add(net.conv(first, 20), first))
    pooled = net.max_pool(net.relu(net.conv(joined, 8)), 2, 2)
    net.conv(pooled, 5, kernel=2, padding=(0, 0, 0, 0))
    graph = net.graph("chain")
    arch = build(PAIR.model_dump() | {"name": "tight", "spike_words": 256, "weight_rows": 128})
    network, _ = convert(graph, arch, calibration=images(graph, 8), silent=1)
    assert any("/part" in layer.name for layer in network.layers)
    book, _ = fit(network, arch)
    assert isinstance(book, Book) and len(book.chapters) > len(network.layers)
    report = simulate(book, images(graph, 1, seed=2), engine=icarus)
    assert report.bit_exact, report.explain()
    assert report.images[0].cycles > 0 and report.images[0].streamed_rows > 0


def test_a_wrong_box_is_found(icarus: str) -> None:
    """Another row of weights outside: spike words differ, and the words that leave are those."""
    book = tightest(random_network(5, ROOMY, largest=8))
    assert book.external.any()
    report = simulate(replace(book, external=-book.external), random_image(book.network, 0)[None], engine=icarus)
    assert not report.bit_exact
    names = {layer.name for layer in book.network.layers}
    assert {mismatch.layer for mismatch in report.images[0].mismatches} <= names
