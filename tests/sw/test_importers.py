"""What `load` takes and refuses whatever the framework, and the table of supported operators."""

import sys

import pytest

from trispike.errors import ModelError, ToolError
from trispike.importers import from_module, load, supported_operators
from trispike.importers.registry import Registry
from trispike.importers.values import real_axes, regroup


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".pkl", ".bin", ".PTH"])
def test_pickles_are_refused_unopened(suffix, tmp_path):
    path = tmp_path / f"net{suffix}"
    with pytest.raises(ModelError) as error:
        load(path)
    assert str(error.value) == (
        f"{path} is a pickle, which can run code and is not opened; export the network in Python with "
        f"torch.export.save(torch.export.export(module.eval(), (x,)), 'net.pt2')"
    )


def test_unknown_suffixes_are_refused():
    with pytest.raises(ModelError) as error:
        load("net.h5")
    assert str(error.value) == "net.h5 has no known model suffix; trispike reads .onnx and .pt2 files"


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_missing_files_and_folders_are_refused(suffix, tmp_path):
    path = tmp_path / f"net{suffix}"
    with pytest.raises(ModelError) as error:
        load(path)
    assert str(error.value) == f"cannot read model file {path}: No such file or directory"
    path.mkdir()
    with pytest.raises(ModelError) as error:
        load(path)
    assert str(error.value) == f"cannot read model file {path}: Is a directory"


def test_other_objects_are_refused():
    with pytest.raises(ModelError) as error:
        load(3)
    assert str(error.value) == (
        "an object of the type int is not a model; give the path of an .onnx or .pt2 file, or an nn.Module"
    )


def test_missing_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\x08\x08")
    with pytest.raises(ToolError) as error:
        load(path)
    assert str(error.value) == "reading ONNX files needs the onnx package; install trispike[onnx]"
    with pytest.raises(ToolError) as error:
        from_module(object(), None)
    assert str(error.value) == "reading a module needs the torch package; install trispike[torch]"


def test_every_supported_operator_says_what_of_it():
    table = supported_operators()
    assert {operator.framework for operator in table} == {"ONNX", "ATen"}
    assert all(operator.support and "\n" not in operator.support for operator in table)
    names = [(operator.framework, operator.name) for operator in table]
    assert len(set(names)) == len(names)


def test_an_operator_has_one_handler():
    registry = Registry("ONNX")
    registry.operator("Relu", support="everywhere")(lambda build, call: call)
    with pytest.raises(ValueError, match=r"^ONNX operator Relu has two handlers$"):
        registry.operator("Relu", support="everywhere")(lambda build, call: call)


@pytest.mark.parametrize(
    ("shape", "dims", "axes"),
    [
        ((3, 4, 5), (60,), ((0, 1, 2),)),
        ((3, 4, 5), (3, 20), ((0,), (1, 2))),
        ((3, 4, 5), (1, 12, 1, 5), ((), (0, 1), (), (2,))),
        ((3, 1, 5), (3, 5), ((0,), (2,))),
        ((3, 1, 1), (3,), ((0,),)),
        ((3, 4, 5), (4, 15), None),
        ((3, 4, 5), (3, 4), None),
        ((3, 4, 5), (3, 4, 0), None),
    ],
)
def test_reshapes_keep_axes_whole(shape, dims, axes):
    assert regroup(shape, real_axes(shape), dims) == axes
