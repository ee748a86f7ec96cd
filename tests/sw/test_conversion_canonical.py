import numpy as np
import pytest
from float_networks import GraphBuilder, images
from small_graphs import Builder
from small_graphs import images as small_images

from trispike.conversion.canonical import canonical
from trispike.errors import ConversionError
from trispike.float_reference import run
from trispike.graph import MaxPool, Node, Relu
from trispike.network import INPUT

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


@pytest.mark.parametrize("average_first", [True, False])
def test_global_average_of_many_channels_stays(average_first):
    """Its weights would have to be coarse for their sum to fit the accumulator."""
    builder = GraphBuilder(SHAPE).conv("c", outputs=(1 << 14) // 36 + 1).relu("r")
    if average_first:
        builder.average_pool("a", 6, 6).linear("l", 3)
    else:
        builder.conv("l", outputs=3, kernel=1).average_pool("a", 6, 6)
    graph = builder.build()
    assert [node.name for node in canonical(graph).nodes] == [node.name for node in graph.nodes]


def test_partial_average_stays():
    graph = GraphBuilder(SHAPE).conv("c").relu("r").average_pool("a", 3, 3).linear("l", 3).build()
    assert [name for _, name in same_function(graph)] == ["c", "r", "a", "l"]


def test_nodes_without_influence_vanish():
    graph = GraphBuilder(SHAPE).conv("c").relu("r").linear("l", 3).build()
    unused = MaxPool("unused", ("c",), (4, 3, 3), (2, 2), (2, 2))
    graph = type(graph)(graph.name, graph.input_shape, (graph.nodes[0], unused, *graph.nodes[1:]))
    assert [name for _, name in same_function(graph)] == ["c", "r", "l"]


def same_small_graph(builder):
    graph = builder.graph("net")
    x = small_images(graph, 4)
    rewritten = canonical(graph)
    np.testing.assert_allclose(run(rewritten, x), run(graph, x), rtol=1e-4, atol=1e-5)
    return [(type(node).__name__, node.name) for node in rewritten.nodes]


def test_batch_norms_fold_into_convolutions_without_padding():
    b = Builder((4, 7, 7))
    x = b.conv(b.affine(INPUT), 6, 3, padding=(0,) * 4, groups=2)
    b.classifier(b.conv(b.affine(b.relu(x)), 5))
    assert same_small_graph(b) == [
        ("Conv", "conv1"), ("Relu", "relu2"), ("Affine", "affine3"), ("Conv", "conv4"), ("Conv", "conv6"),
    ]  # fmt: skip


def test_a_shared_batch_norm_stays_where_one_reader_is_no_convolution():
    b = Builder((4, 7, 7))
    x = b.affine(b.relu(b.conv(INPUT, 4)))
    b.classifier(b.add(x, b.conv(x, 4, 1)))
    assert ("Affine", "affine2") in same_small_graph(b)


def test_what_works_by_channel_moves_before_a_concatenation():
    b = Builder((2, 9, 9))
    x = b.concat(b.conv(INPUT, 4), b.conv(INPUT, 6, 1))
    x = b.conv(b.max_pool(b.relu(b.affine(x)), 3, 2), 10, groups=10)
    b.classifier(x)
    names = same_small_graph(b)
    assert names[2:] == [
        ("Affine", "affine3/0"), ("Affine", "affine3/1"), ("Relu", "relu4/0"), ("Relu", "relu4/1"),
        ("MaxPool", "max5/0"), ("MaxPool", "max5/1"), ("Conv", "conv6/0"), ("Conv", "conv6/1"), ("Concat", "conv6"),
        ("Conv", "conv8"),
    ]  # fmt: skip


def test_a_concatenation_with_the_network_input_stays():
    b = Builder((2, 5, 5))
    b.classifier(b.relu(b.concat(b.conv(INPUT, 4), INPUT)))
    assert [kind for kind, _ in same_small_graph(b)] == ["Conv", "Concat", "Relu", "Conv"]


class Softplus(Node):
    """An operator that nobody knows."""


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        (
            Softplus("s", ("input",), SHAPE),
            "node s: Softplus has no spiking counterpart; supported are Conv, Relu, MaxPool, AveragePool, Add, Affine, "
            "Concat, Pad, Select",
        ),
        (Relu("input", ("input",), SHAPE), "node input: this name belongs to the network input; rename the node"),
    ],
)
def test_refusals(node, sentence):
    graph = GraphBuilder(SHAPE).node(node).linear("l", 3).build()
    with pytest.raises(ConversionError) as caught:
        canonical(graph)
    assert str(caught.value) == sentence
