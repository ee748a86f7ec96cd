"""torch.export programs and modules: the graph computes what torch computes, and nothing in an archive is run."""

import io
import json
import pickle
import sys
import zipfile

import numpy as np
import pytest

from trispike.errors import InputError, ModelError
from trispike.float_reference import run
from trispike.graph import Add, AveragePool, Conv, MaxPool, Relu
from trispike.importers import load, supported_operators

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402  (only behind the check that torch is there)
from torch.nn import functional  # noqa: E402

SUPPORTED = ", ".join(operator.name for operator in supported_operators() if operator.framework == "ATen")


class LeNet(nn.Module):
    """Batch norm, ReLU and pooling in their usual places, one flatten by view."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 6, 3, padding="same", bias=False)
        self.norm2 = nn.BatchNorm2d(6, affine=False)
        self.drop = nn.Dropout(0.5)
        self.fc1 = nn.Linear(6 * 4 * 3, 9)
        self.norm3 = nn.BatchNorm1d(9)
        self.fc2 = nn.Linear(9, 5)

    def forward(self, x):
        x = functional.max_pool2d(torch.relu(self.norm1(self.conv1(x))), 2)
        x = functional.relu6(self.norm2(self.conv2(x)))
        x = self.drop(x.view(x.size(0), -1))
        return self.fc2(functional.relu(self.norm3(self.fc1(x))))


class Residual(nn.Module):
    """In-place operators, a depthwise convolution, a sum, and a global average."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 4, (3, 2), stride=(1, 2), padding=(1, 0)), nn.ReLU(inplace=True))
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 3, bias=False)

    def forward(self, x):
        x = self.stem(x)
        y = self.block(x)
        y += x
        y = functional.relu(y, inplace=True)
        return self.head(y.mean([2, 3]))


class Pools(nn.Module):
    """Every kind of pooling, a layer's bias as a sum with a parameter, and a channels-last flatten."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1, bias=False)
        self.shift = nn.Parameter(torch.randn(3, 1, 1))
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        x = self.conv(x) + self.shift
        x = functional.max_pool2d(x, 3, 1, padding=1).clamp(0, 0.8)
        x = functional.avg_pool2d(x, 3, 1, padding=1)
        x = functional.avg_pool2d(x, (3, 1), 1, padding=(1, 0), count_include_pad=False)
        x = functional.adaptive_avg_pool2d(x, (2, 1))
        return self.fc(x.permute(0, 2, 3, 1).flatten(1))


class Branches(nn.Module):
    """Batch norm before a convolution, joints, a padded shortcut, arithmetic with constants, pooling that rounds up."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(2)
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 8, 3, padding=1, stride=2)
        self.line = nn.Conv1d(12, 3, 3, padding=2, dilation=2, groups=3)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = self.conv1(self.norm((1 - x) / 0.5 - 0.25))
        y = self.conv2(functional.relu(x))
        y = functional.relu(y + functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2)))
        x = functional.max_pool2d(x, 3, 2, ceil_mode=True)
        x = functional.pad(torch.cat([y, x * 2], 1), (0, 1, 1, 0))
        x = functional.relu(functional.max_pool2d(x, (5, 1)).squeeze(2))
        x = functional.avg_pool1d(functional.max_pool1d(self.line(x), 2, 1, padding=1), 2, 2)
        return self.head(x.flatten(1))


MODULES = [LeNet, Residual, Pools, Branches]
SHAPE = (2, 8, 6)


def make(kind):
    """A module of `kind` in evaluation mode, its batch norms with statistics of their own."""
    torch.manual_seed(5)
    module = kind()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
                for parameter in part.parameters():
                    parameter.normal_()
    return module.eval()


def example(n=1):
    return torch.from_numpy(np.random.default_rng(3).standard_normal((n, *SHAPE)).astype(np.float32))


def export(module, x=None, dynamic=False):
    x = example(2) if x is None else x
    shapes = ({0: torch.export.Dim("n")},) if dynamic else None
    return torch.export.export(module, (x,), dynamic_shapes=shapes)


def save(path, program):
    torch.export.save(program, path)
    return path


def assert_same(graph, module):
    x = example(4)
    with torch.no_grad():
        expected = module(x).numpy()
    np.testing.assert_allclose(run(graph, x.numpy()), expected, atol=1e-4)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("kind", MODULES)
def test_module_and_archive_compute_what_torch_computes(kind, tmp_path):
    module = make(kind)
    assert_same(load(module, example()), module)
    assert_same(load(module, example().numpy()), module)
    assert_same(load(save(tmp_path / "fixed.pt2", export(module))), module)
    assert_same(load(save(tmp_path / "dynamic.pt2", export(module, dynamic=True))), module)
    assert_same(load(export(module).run_decompositions()), module)


def test_nodes_bear_the_names_of_modules():
    graph = load(make(LeNet), example())
    assert [(type(node), node.name) for node in graph.nodes] == [
        (Conv, "conv1"),
        (Relu, "relu"),
        (MaxPool, "max_pool2d"),
        (Conv, "conv2"),
        (Relu, "relu6"),
        (Conv, "fc1"),
        (Relu, "relu_1"),
        (Conv, "fc2"),
    ]
    assert graph.name == "LeNet" and graph.input_shape == SHAPE


def test_residual_becomes_a_sum():
    graph = load(make(Residual), example())
    assert [type(node) for node in graph.nodes] == [Conv, Relu, Conv, Add, Relu, AveragePool, Conv]
    assert graph.nodes[3].inputs == ("block.0", "relu_")


def test_training_state_is_left_as_it_was():
    module = make(LeNet).train()
    module.norm1.eval()
    load(module, example())
    assert module.training and module.drop.training and not module.norm1.training


def test_softmax_at_the_end_is_left_out_with_a_note():
    module = nn.Sequential(nn.Linear(5, 3), nn.Softmax(dim=1))
    graph = load(module, torch.zeros(1, 5))
    x = torch.randn(4, 5)
    np.testing.assert_allclose(run(graph, x.numpy()), module[0](x).detach().numpy(), atol=1e-5)
    assert graph.notes == ("the last operator softmax (aten.softmax.int) is left out: the answers are logits",)


def test_archive_is_read_without_torch(tmp_path, monkeypatch):
    module = make(LeNet)
    path = save(tmp_path / "net.pt2", export(module))
    monkeypatch.setitem(sys.modules, "torch", None)
    graph = load(path)
    monkeypatch.undo()
    assert_same(graph, module)


def rewrite(path, change):
    """The archive at `path` with `change` applied to its files, a dict of bytes by name without the top folder."""
    with zipfile.ZipFile(path) as archive:
        files = {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"archive/{name}", data)
    return path


def edit(files, name, change):
    """`change` applied to the JSON file `name`."""
    record = json.loads(files[name])
    change(record)
    files[name] = json.dumps(record).encode()


class Trap:
    """A pickle that creates a file when it is opened."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


WEIGHTS = "data/weights/model_weights_config.json"
MODEL = "models/model.json"


def test_pickles_in_an_archive_are_never_opened(tmp_path):
    module, trap = make(LeNet), tmp_path / "sprung"
    path = save(tmp_path / "net.pt2", export(module))

    def sample_inputs(files):
        files["data/sample_inputs/model.pt"] = pickle.dumps(Trap(trap))

    assert_same(load(rewrite(path, sample_inputs)), module)

    def weights(files):
        edit(files, WEIGHTS, lambda record: record["config"]["conv1.weight"].update(use_pickle=True))
        files["data/weights/weight_0"] = pickle.dumps(Trap(trap))

    with pytest.raises(ModelError) as error:
        load(rewrite(path, weights))
    assert str(error.value) == (
        f"{path}: tensor 'conv1.weight' is kept as a pickle, which can run code and is not opened; "
        f"export the network with plain tensors"
    )
    assert not trap.exists()


def _other_schema(files):
    edit(files, MODEL, lambda record: record["schema_version"].update(major=9))


def _half_the_weights(files):
    files["data/weights/weight_0"] = files["data/weights/weight_0"][:100]


def _bfloat(files):
    edit(files, WEIGHTS, lambda record: record["config"]["conv1.weight"]["tensor_meta"].update(dtype=13))


def _no_nodes(files):
    edit(files, MODEL, lambda record: record["graph_module"]["graph"].pop("nodes"))


def _wrong_argument(files):
    edit(files, MODEL, lambda record: record["graph_module"]["graph"]["nodes"][0]["inputs"][3].update(
        arg={"as_string": "everywhere"}))  # fmt: skip


def _old_layout(files):
    files["serialized_exported_program.json"] = files.pop(MODEL)


DAMAGED = " is not a torch.export program, or a damaged one; save it again with torch.export.save of torch 2.9 or later"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_other_schema, " has the torch.export schema 9; trispike reads schema 8"),
        (_half_the_weights, DAMAGED),
        (_bfloat, ": tensor 'conv1.weight' has the torch scalar type 13, which is not supported; "
                  "export the network as float32"),
        (_no_nodes, DAMAGED),
        (_wrong_argument, ": node 'conv1' (aten.conv2d.default) has arguments that do not fit it; "
                          "export the network again"),
        (_old_layout, DAMAGED),
    ],
)  # fmt: skip
def test_damaged_archives_are_refused(change, message, tmp_path):
    path = rewrite(save(tmp_path / "net.pt2", export(make(LeNet))), change)
    with pytest.raises(ModelError) as error:
        load(path)
    assert str(error.value) == f"{path}{message}"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_truncated_archives_are_refused(share, tmp_path):
    path = save(tmp_path / "net.pt2", export(make(LeNet)))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError) as error:
        load(path)
    assert str(error.value) == f"{path}{DAMAGED}"


class Forward(nn.Module):
    """A module with one convolution and the forward function `call(conv, x)`."""

    def __init__(self, call):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.call = call

    def forward(self, x):
        return self.call(self, x)


def _overwrites(self, x):
    y = self.conv(x)
    z = functional.max_pool2d(y, 2)
    y.relu_()
    return functional.max_pool2d(y, 2) + z


REFUSALS = {
    "operator": (
        lambda self, x: torch.ceil(self.conv(x)),
        "node 'ceil' has the operator aten.ceil.default, which is not supported; "
        "supported ATen operators are " + SUPPORTED,
    ),
    "leaky relu": (
        lambda self, x: functional.leaky_relu(self.conv(x), inplace=True),
        "node 'leaky_relu_' has the operator aten.leaky_relu_.default, which is not supported: a neuron computes ReLU, "
        "a limited ReLU or the identity; train the network with ReLU or ReLU6",
    ),
    "gate": (
        lambda self, x: self.conv(x) * self.conv(x).mean([2, 3], keepdim=True),
        "node 'mul' (aten.mul.Tensor) multiplies two activations, for which the hardware has no multiplier; "
        "one of them must be constant",
    ),
    "crop": (
        lambda self, x: self.conv(x)[:, :, 1:],
        "node 'slice_1' (aten.slice.Tensor) takes 1:9223372036854775807:1 of dimension 2 of (N, 3, 8, 6); "
        "only channels and every k-th row or column of a whole map can be taken",
    ),
    "hard tanh": (
        lambda self, x: functional.hardtanh(self.conv(x)),
        "node 'hardtanh' (aten.hardtanh.default) clips below -1; only a lower limit of 0 is supported",
    ),
    "adaptive pooling": (
        lambda self, x: functional.adaptive_avg_pool2d(self.conv(x), 4),
        "node 'adaptive_avg_pool2d' (aten.adaptive_avg_pool2d.default) pools a map of 8 x 6 to 4 x 4; "
        "the output size must divide the map's",
    ),
    "divisor": (
        lambda self, x: functional.avg_pool2d(self.conv(x), 2, divisor_override=3),
        "node 'avg_pool2d' (aten.avg_pool2d.default) has a divisor_override; "
        "averages are supported over their own window only",
    ),
    "in place": (
        _overwrites,
        "node 'relu_' (aten.relu_.default) overwrites a tensor that other nodes read too; "
        "export the network without in-place operators",
    ),
    "scaled sum": (
        lambda self, x: torch.add(self.conv(x), self.conv(x), alpha=2),
        "node 'add' (aten.add.Tensor) has alpha 2; it must be 1",
    ),
    "map": (
        lambda self, x: self.conv(x),
        "the output 'conv2d' is a map of the shape (3, 8, 6); trispike needs one value per class, (N, classes)",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_not_supported_is_refused_by_name(name):
    call, message = REFUSALS[name]
    with pytest.raises(ModelError) as error:
        load(Forward(call), example())
    assert str(error.value) == f"Forward: {message}"


def test_programs_in_training_mode_are_refused():
    program = export(make(LeNet).train())
    with pytest.raises(ModelError) as error:
        load(program)
    assert str(error.value) == (
        "ExportedProgram: node 'norm1' (aten.batch_norm.default) is in training mode; export module.eval()"
    )


def test_nan_weights_are_refused():
    module = make(LeNet)
    with torch.no_grad():
        module.fc1.weight[2, :3] = float("nan")
    with pytest.raises(ModelError) as error:
        load(module, example())
    assert str(error.value) == (
        "LeNet: tensor 'fc1.weight' holds 3 NaN or infinite values of 648; train or export the network again"
    )


def test_several_outputs_are_refused():
    with pytest.raises(ModelError) as error:
        load(Forward(lambda self, x: (self.conv(x), x.relu())), example())
    assert str(error.value) == (
        "Forward has 2 outputs (conv2d, relu); trispike reads networks with one output, so export the network with "
        "that alone"
    )


def test_a_module_needs_an_example_input():
    with pytest.raises(InputError) as error:
        load(make(LeNet))
    assert str(error.value) == ("LeNet: reading a module needs an example input; give a float32 tensor (1, C, H, W)")


def test_a_module_that_cannot_be_exported_is_refused():
    with pytest.raises(ModelError, match=r"^Forward cannot be exported by torch\.export: ") as error:
        load(Forward(lambda self, x: self.conv(x) if x.sum() > 0 else x), example())
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_saving_to_memory_is_what_a_file_holds(tmp_path):
    program, buffer = export(make(Pools)), io.BytesIO()
    torch.export.save(program, buffer)
    (tmp_path / "net.pt2").write_bytes(buffer.getvalue())
    assert load(tmp_path / "net.pt2").nodes[0].name == "conv"
