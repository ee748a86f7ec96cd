import numpy as np
import pytest
from float_networks import GraphBuilder, images

from trispike.conversion.canonical import canonical
from trispike.errors import ConversionError
from trispike.float_reference import run
from trispike.graph import MaxPool, Node, Relu

SHAPE = (2, 8, 8)


def same_function(graph):
    x = images(SHAPE, 8) - 0.4
    rewritten = canonical(graph)
    np.testing.assert_allclose(run(rewritten, x), run(graph, x), rtol=1e-4, atol=1e-5)
    return [(type(node).__name__, node.name) for node in rewritten.nodes]


def test_relu_moves_before_max_pools():
    graph = GraphBuilder(SHAPE).conv("c").max_pool("p", 2, 1).max_pool("q", 2, 2).relu("r").linear("l", 3).build()
    assert same_function(graph) == [("Conv", "c"), ("Relu", "r"), ("MaxPool", "p"), ("MaxPool", "q"), ("Conv", "l")]


def test_relu_stays_behind_a_pooling_of_the_input():
    graph = GraphBuilder(SHAPE).max_pool("p", 2, 2).relu("r").linear("l", 3).build()
    assert same_function(graph) == [("MaxPool", "p"), ("Relu", "r"), ("Conv", "l")]


def test_repeated_relus_merge():
    graph = GraphBuilder(SHAPE).conv("c").relu("r").relu("s", 0.5).relu("t", 0.7).linear("l", 3).build()
    assert same_function(graph) == [("Conv", "c"), ("Relu", "t"), ("Conv", "l")]
    assert [node.upper for node in canonical(graph).nodes if isinstance(node, Relu)] == [0.5]


@pytest.mark.parametrize("average_first", [True, False])
def test_global_average_and_linear_become_one(average_first):
    builder = GraphBuilder(SHAPE).conv("c").relu("r")
    if average_first:
        builder.average_pool("a", 6, 6).linear("l", 3)
    else:
        builder.conv("l", outputs=3, kernel=1).average_pool("a", 6, 6)
    graph = builder.relu("last").build()
    merged = "l" if average_first else "a"
    assert same_function(graph) == [("Conv", "c"), ("Relu", "r"), ("Conv", merged), ("Relu", "last")]
    weights = next(node.weights for node in canonical(graph).nodes if node.name == merged)
    assert weights.shape == (3, 4, 6, 6) and np.ptp(weights, axis=(2, 3)).max() == 0


def test_partial_average_stays():
    graph = GraphBuilder(SHAPE).conv("c").relu("r").average_pool("a", 3, 3).linear("l", 3).build()
    assert [name for _, name in same_function(graph)] == ["c", "r", "a", "l"]


def test_nodes_without_influence_vanish():
    graph = GraphBuilder(SHAPE).conv("c").relu("r").linear("l", 3).build()
    unused = MaxPool("unused", ("c",), (4, 3, 3), (2, 2), (2, 2))
    graph = type(graph)(graph.name, graph.input_shape, (graph.nodes[0], unused, *graph.nodes[1:]))
    assert [name for _, name in same_function(graph)] == ["c", "r", "l"]


class Softplus(Node):
    """An operator that nobody knows."""


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        (
            Softplus("s", ("input",), SHAPE),
            "node s: Softplus has no spiking counterpart; supported are Conv, Relu, MaxPool, AveragePool, Add, Affine, "
            "Concat, Pad",
        ),
        (Relu("input", ("input",), SHAPE), "node input: this name belongs to the network input; rename the node"),
    ],
)
def test_refusals(node, sentence):
    graph = GraphBuilder(SHAPE).node(node).linear("l", 3).build()
    with pytest.raises(ConversionError) as caught:
        canonical(graph)
    assert str(caught.value) == sentence
