"""ONNX files as files: weights beside them, bytes that are damaged."""

import numpy as np
import pytest
from onnx_models import BATCH_NORM, CONV, HEAD, model, n, onnx, rng, save, w

from trispike.errors import ModelError
from trispike.float_reference import run
from trispike.importers import load

NETWORK = model(
    [
        n("Conv", "x,w,b", "a", pads=[1, 1, 1, 1]),
        n("BatchNormalization", "a,g,h,m,v", "bn"),
        n("Relu", "bn", "p"),
        *HEAD,
    ],
    CONV | BATCH_NORM,
)


def test_weights_in_a_file_beside_the_model(tmp_path):
    path = tmp_path / "net.onnx"
    proto = onnx.ModelProto()
    proto.CopyFrom(NETWORK)  # saving with external data changes the model that is saved
    onnx.save_model(proto, str(path), save_as_external_data=True, location="net.data", size_threshold=0)
    assert (tmp_path / "net.data").exists()
    inside = load(save(tmp_path, NETWORK, "inside.onnx"))
    x = rng().standard_normal((1, 2, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(run(load(path), x), run(inside, x))


def test_weights_outside_the_models_folder_are_refused(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(4 * CONV["w"].size))
    proto = onnx.ModelProto()
    proto.CopyFrom(NETWORK)
    onnx.external_data_helper.set_external_data(proto.graph.initializer[0], "../secret")
    proto.graph.initializer[0].ClearField("raw_data")
    path = save(folder, proto)
    with pytest.raises(ModelError, match="weights in an external file cannot be read") as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert str(error.value).endswith("; keep the file beside the model, or save the model with its weights inside")


@pytest.mark.parametrize("cut", [0, 1, 40, 0.5, 0.99])
def test_truncated_files_are_refused(cut, tmp_path):
    path = tmp_path / "net.onnx"
    data = NETWORK.SerializeToString()
    path.write_bytes(data[: cut if isinstance(cut, int) else int(len(data) * cut)])
    with pytest.raises(ModelError, match="ONNX"):
        load(path)


def test_bytes_that_are_no_onnx_are_refused(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(ModelError) as error:
        load(path)
    assert str(error.value) == f"{path} is not an ONNX file; export the network to ONNX again"


def test_tensors_of_the_wrong_size_are_refused(tmp_path):
    proto = model([n("Gemm", "x,f", "y")], {"f": w(6, 4)}, shape=("N", 6))
    proto.graph.initializer[0].dims[0] = 7
    path = save(tmp_path, proto)
    with pytest.raises(ModelError) as error:
        load(path)
    assert str(error.value) == (
        f"{path}: tensor 'f' has bytes that do not fit its shape or type; export the network again"
    )


def test_invalid_models_are_refused_in_onnx_words(tmp_path):
    path = save(tmp_path, model([n("Gemm", "x,f", "y")], {"f": w(7, 4)}, shape=("N", 6)))
    with pytest.raises(ModelError, match="is not a valid ONNX model: ") as error:
        load(path)
    assert "\n" not in str(error.value)
