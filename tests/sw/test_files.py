"""Files of arrays: what is refused, in which words, and that outputs are whole or absent."""

import errno
import os
import stat

import numpy as np
import pytest

from trispike.errors import InputError, OutputError
from trispike.files import atomic_output, load_images, new_directory

SHAPE = (1, 2, 2)
GOOD = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 1, 2, 2)


def refusal(path, shape=SHAPE) -> str:
    with pytest.raises(InputError) as caught:
        load_images(path, shape)
    return str(caught.value)


def save(folder, **arrays):
    path = folder / "x.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.uint8, np.int16])
def test_numbers_become_float32(tmp_path, dtype):
    x = load_images(save(tmp_path, x=GOOD.astype(dtype)), SHAPE)
    assert x.dtype == np.float32 and x.shape == (3, 1, 2, 2)
    np.testing.assert_array_equal(x, GOOD.astype(dtype).astype(np.float32))


def test_other_arrays_do_not_matter(tmp_path):
    np.testing.assert_array_equal(load_images(save(tmp_path, x=GOOD, labels=np.arange(3))), GOOD)


def test_missing_file(tmp_path):
    path = tmp_path / "no.npz"
    assert refusal(path) == f"there is no input file {path}; give an .npz file that holds x"


def test_directory(tmp_path):
    assert refusal(tmp_path) == f"cannot read input file {tmp_path}: Is a directory"


def test_missing_key(tmp_path):
    path = save(tmp_path, images=GOOD, labels=np.arange(3))
    assert refusal(path) == f"input file {path} must hold an array named x, but it holds images, labels"


def test_no_arrays(tmp_path):
    path = save(tmp_path)
    assert refusal(path) == f"input file {path} must hold an array named x, but it holds nothing"


def test_single_array(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, GOOD)
    assert refusal(path) == f"input file {path} is a single array; write an .npz file that holds x"


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04 cut off"])
def test_damaged(tmp_path, content):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    assert refusal(path) == f"cannot read input file {path}: it is damaged, of another format, or holds Python objects"


def test_truncated(tmp_path):
    path = save(tmp_path, x=GOOD)
    path.write_bytes(path.read_bytes()[:-40])
    assert refusal(path) == f"cannot read input file {path}: it is damaged, of another format, or holds Python objects"


def test_pickled_objects_are_not_loaded(tmp_path):
    path = save(tmp_path, x=np.array([{"a": 1}], dtype=object))
    assert refusal(path) == f"cannot read input file {path}: it is damaged, of another format, or holds Python objects"


@pytest.mark.parametrize("dtype", ["complex64", "bool", "U4"])
def test_type(tmp_path, dtype):
    path = save(tmp_path, x=GOOD.astype(dtype))
    assert refusal(path) == (
        f"images x in {path} must be real numbers, not {GOOD.astype(dtype).dtype}; store them as float32"
    )


@pytest.mark.parametrize("shape", [(3, 4), (3, 1, 4, 1), (0, 1, 2, 2), (12,)])
def test_shape(tmp_path, shape):
    path = save(tmp_path, x=np.zeros(shape, np.float32))
    assert refusal(path) == (
        f"images x in {path} must have the shape (N, 1, 2, 2) with N >= 1, not {shape}; "
        "preprocess them as the network wants its input"
    )


def test_shape_of_unknown_network(tmp_path):
    path = save(tmp_path, x=np.zeros((3, 4, 5), np.float32))
    assert refusal(path, None) == (
        f"images x in {path} must have the shape (N, C, H, W) with N >= 1, not (3, 4, 5); "
        "preprocess them as the network wants its input"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_not_finite(tmp_path, value):
    x = GOOD.astype(np.float64)
    x[1, 0, 1, 1] = x[2, 0, 0, 0] = value
    path = save(tmp_path, x=x)
    assert refusal(path) == (
        f"images x in {path} must be finite, but hold 2 NaN or infinite values; check the preprocessing"
    )


def test_output_replaces_what_was_there(tmp_path):
    path = tmp_path / "y"
    path.write_text("old")
    with atomic_output(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["y"]


def test_output_has_the_usual_permissions(tmp_path):
    (tmp_path / "plain").touch()
    with atomic_output(tmp_path / "y"):
        pass
    assert stat.S_IMODE((tmp_path / "y").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_failure_leaves_nothing(tmp_path):
    with pytest.raises(InputError), atomic_output(tmp_path / "y") as file:
        file.write(b"half")
        raise InputError("no")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(("name", "reason"), [("no/y", "No such file or directory"), (".", "it is a directory")])
def test_unwritable(tmp_path, name, reason):
    path = tmp_path / name
    with pytest.raises(OutputError) as caught, atomic_output(path):
        pytest.fail("the block must not run")
    assert str(caught.value) == (f"cannot write {path}: {reason}; choose a file in an existing, writable directory")


def test_full_disk(tmp_path):
    path = tmp_path / "y"
    with pytest.raises(OutputError) as caught, atomic_output(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert "No space left on device" in str(caught.value)
    assert not os.listdir(tmp_path)


def test_a_directory_is_there_whole_or_not_at_all(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with new_directory(tmp_path / name) as fresh:
            (fresh / "file").write_text("text")
            assert not (tmp_path / name / "file").exists()
        assert (tmp_path / name / "file").read_text() == "text"
    with pytest.raises(KeyboardInterrupt), new_directory(tmp_path / "other") as fresh:
        (fresh / "file").write_text("text")
        raise KeyboardInterrupt
    refused = r"new: it is there already; choose a new directory in a writable one$"
    with pytest.raises(OutputError, match=refused), new_directory(tmp_path / "new"):
        pass
    assert sorted(os.listdir(tmp_path)) == ["empty", "new"]
