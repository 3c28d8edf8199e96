"""One file of arrays and a header: what is read is what was written, or a sentence says why not."""

import gzip
import io
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load as parse_tensors
from safetensors.numpy import save as pack_tensors

import chainrule.files
from chainrule.core import FileFormatError, InputError, RunError
from chainrule.files import check_output, read_arrays, verify, write_arrays, write_text, written_aside

ARRAYS = {
    "weights": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3),
    "counts": np.array([1, -(2**40), 3], dtype=np.int64),
    "vocabulary": np.frombuffer("a b 红".encode(), dtype=np.uint8),
    "mask": np.array([[True], [False]]),
    "empty": np.zeros((0, 3), dtype=np.float64),
    "half": np.array([0.5], dtype=np.float16),
    "narrow": np.array([-1, 2], dtype=np.int32),
}
TABLES = {
    "codes": np.arange(600, dtype=np.uint8).reshape(2, 300),
    "probs": np.linspace(0, 1, 500, dtype=np.float32),
    "starts": np.arange(40, dtype=np.int64),
}
HEADER = {"model": {"kind": "rnn", "layers": 2}, "seed": 1, "rate": 0.1, "text": '红楼梦 "quoted" \n\0'}


def same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    return left.keys() == right.keys() and all(
        a.dtype == right[name].dtype and a.shape == right[name].shape and a.tobytes() == right[name].tobytes()
        for name, a in left.items()
    )


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A small file, to be damaged."""
    write_arrays(tmp_path / "model", {"a": np.arange(3, dtype=np.float32), "b": np.array([7])}, {"seed": 1})
    return tmp_path / "model"


def backwards(named: dict[str, Any]) -> dict[str, Any]:
    return dict(reversed(named.items()))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    write_arrays(tmp_path / "model", ARRAYS, HEADER)
    arrays, header = read_arrays(tmp_path / "model")
    assert same(arrays, ARRAYS)
    assert header == HEADER


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
DTYPES = [np.float16, np.float32, np.float64, np.int8, np.int32, np.int64, np.uint8, np.uint64, np.bool_]


@given(st.data(), st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_any_arrays_and_any_header_come_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, header: dict[str, Any]
) -> None:
    shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
    both: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] = ({}, {})
    for name in data.draw(st.sets(st.text(max_size=4).filter("__metadata__".__ne__), max_size=4)):
        shape, dtype = data.draw(shapes), data.draw(st.sampled_from(DTYPES))
        size = int(np.prod(shape))
        array = np.arange(1, size + 1).astype(dtype).reshape(shape)
        kept = data.draw(st.sampled_from(both))
        kept[name] = array.T if data.draw(st.booleans()) else array  # rows or columns first
    path = tmp_path_factory.getbasetemp() / "any"
    write_arrays(path, both[0], header, tables=both[1])
    read, read_header = read_arrays(path)
    assert same(read, {**both[0], **both[1]})
    assert read_header == header
    verify(path)
    assert same(parse_tensors(path.read_bytes()), read)


def test_a_number_comes_back_without_a_shape(tmp_path: Path) -> None:
    write_arrays(tmp_path / "model", {"rate": np.array(0.5)}, {})
    assert read_arrays(tmp_path / "model")[0]["rate"].shape == ()


def test_the_other_byte_order_can_be_read_again(tmp_path: Path) -> None:
    write_arrays(tmp_path / "model", {"ids": np.arange(3).astype(">i4")}, {})
    assert read_arrays(tmp_path / "model")[0]["ids"].tolist() == [0, 1, 2]


def test_a_file_name_that_is_no_utf8_fits_into_the_header(tmp_path: Path) -> None:
    header = {"corpus": os.fsdecode(b"caf\xe9.txt")}
    write_arrays(tmp_path / "model", {}, header)
    assert read_arrays(tmp_path / "model")[1] == header


def test_the_same_contents_make_the_same_bytes(tmp_path: Path) -> None:
    write_arrays(tmp_path / "one", ARRAYS, HEADER, tables=TABLES)
    write_arrays(tmp_path / "two", backwards(ARRAYS), backwards(HEADER), tables=backwards(TABLES))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_file_cut_anywhere_is_refused(model_file: Path) -> None:
    data = model_file.read_bytes()
    for length in range(len(data)):
        model_file.write_bytes(data[:length])
        with pytest.raises(FileFormatError):
            read_arrays(model_file)


def test_a_file_with_something_after_it_is_refused(model_file: Path) -> None:
    model_file.write_bytes(model_file.read_bytes() + b"\0")
    with pytest.raises(FileFormatError):
        read_arrays(model_file)


@pytest.mark.parametrize("flip", [1 << bit for bit in range(8)])
def test_a_flipped_bit_anywhere_is_found(model_file: Path, flip: int) -> None:
    data = model_file.read_bytes()
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= flip
        model_file.write_bytes(damaged)
        with pytest.raises(FileFormatError):
            read_arrays(model_file)


def test_two_damaged_bytes_that_keep_the_sum_are_found(model_file: Path) -> None:
    data = bytearray(model_file.read_bytes())
    data[-1], data[-8] = data[-8], data[-1]
    assert data[-1] != data[-8]
    model_file.write_bytes(data)
    with pytest.raises(FileFormatError, match="checksum"):
        read_arrays(model_file)


def zip_file() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("weights", "1")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zip_file(), "expected a chainrule model file, got a zip archive"),
        (gzip.compress(b"text"), "expected a chainrule model file, got a gzip file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "expected a chainrule model file, got a picture"),
        (b"", "expected a chainrule model file, got 0 bytes"),
        (b"abc", "expected a chainrule model file, got 3 bytes"),
        (b"The Time Traveller (for so it will be", "expected a chainrule model file, got something"),
        ((2).to_bytes(8, "little") + b"{}", "a safetensors file of another program"),
        ((2).to_bytes(8, "little") + b"[]", "expected a chainrule model file, got something else"),
        ((2).to_bytes(8, "little") + b"\xff\xfe", "expected a chainrule model file, got something else"),
        ((10**5).to_bytes(8, "little") + b"[" * 10**5, "expected a chainrule model file, got something else"),
        (pack_tensors({"a": np.zeros(2)}), "a safetensors file of another program"),
        (pack_tensors({"a": np.zeros(1)}, {"format": "pt"}), "a safetensors file of another program"),
        (pack_tensors({}, {"chainrule": "[]"}), "a safetensors file of another program, or a damaged file"),
        (pack_tensors({}, {"chainrule": "[" * 10**5}), "a safetensors file of another program"),
        (pack_tensors({}, {"chainrule": '{"format": 1}'}), "expected file format 2, got 1: made by another"),
        (pack_tensors({}, {"chainrule": "{}"}), "expected file format 2, got None"),
        (pack_tensors({}, {"chainrule": '{"format": 2}'}), "the file is damaged"),
        (
            pack_tensors({}, {"chainrule": '{"format": 2, "header": "{}", "tables": {}, "sha256": ""}'}),
            "their checksum",
        ),
    ],
    ids=["zip", "gzip", "png", "empty", "short", "text", "no metadata", "a list", "no json", "deep json",
         "another program", "another program's format", "another's key",
         "deep metadata", "format 1", "no format", "no header", "no checksum"],
)  # fmt: skip
def test_foreign_files_are_refused_by_name(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "model"
    path.write_bytes(data)
    with pytest.raises(FileFormatError) as caught:
        read_arrays(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_newer_format_is_refused_by_its_number(model_file: Path) -> None:
    data = model_file.read_bytes()
    newer = data.replace(b'\\"format\\": 2', b'\\"format\\": 3')
    assert newer != data
    model_file.write_bytes(newer)
    with pytest.raises(FileFormatError, match="expected file format 2, got 3: made by another version"):
        read_arrays(model_file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing: cannot be read: No such file"):
        read_arrays(tmp_path / "nothing")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_arrays(tmp_path)


def test_output_that_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "model"
    assert check_output(path, force=False) == path
    assert names_in(tmp_path) == []
    path.write_text("old")
    assert check_output(path, force=True) == path
    assert path.read_text() == "old"


def test_output_that_exists_asks_for_force(model_file: Path) -> None:
    with pytest.raises(InputError, match="model: exists already; --force overwrites it"):
        check_output(model_file, force=False)


@pytest.mark.parametrize("force", [False, True])
def test_output_where_none_can_be(model_file: Path, force: bool) -> None:
    with pytest.raises(InputError, match="expected a file to write, got a folder"):
        check_output(model_file.parent, force=force)
    with pytest.raises(InputError, match=r"nowhere does not exist"):
        check_output(model_file.parent / "nowhere" / "model", force=force)
    with pytest.raises(InputError, match=r"model does not exist|model is no folder"):
        check_output(model_file / "below", force=force)


def test_output_in_a_folder_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # by name, as root may write anywhere
    def access(path: Path, mode: int) -> bool:
        return (path, mode) != (tmp_path, os.W_OK)

    monkeypatch.setattr(chainrule.files.os, "access", access)
    with pytest.raises(InputError, match="cannot be written to"):
        check_output(tmp_path / "model", force=False)


def test_output_with_a_name_too_long_for_the_disk(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name"):
        check_output(tmp_path / ("m" * 300), force=False)


@pytest.mark.parametrize("name", ["m" * 250, "红" * 83], ids=["letters", "ideographs"])
def test_a_name_that_passed_the_check_can_be_written(tmp_path: Path, name: str) -> None:
    write_text(check_output(tmp_path / name, force=False), "text")
    assert names_in(tmp_path) == [name]


def test_output_never_takes_the_place_of_a_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # as /dev/null would be replaced, had root asked for it
    with pytest.raises(InputError, match="expected a file"):
        check_output(tmp_path / "pipe", force=True)


def test_a_new_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_text(path, "old")
    write_text(path, "红楼梦\r\n")
    assert path.read_bytes() == "红楼梦\r\n".encode()
    assert names_in(tmp_path) == ["page.html"]


def test_a_page_may_name_a_file_whose_name_is_no_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "page.html", "trained on " + os.fsdecode(b"caf\xe9.txt"))
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("trained on caf")


def test_a_new_file_may_be_read_by_whom_the_user_lets(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "ours", "")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "ours")]
    assert modes[0] == modes[1]


def test_until_it_is_whole_the_old_file_stands(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_text("old")
    with written_aside(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, RunError])
def test_a_failure_half_way_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "model"
    path.write_text("old")

    def fail() -> None:
        with written_aside(path) as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["model"]


def test_a_folder_that_is_gone_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="model: cannot be written: No such file"):
        write_arrays(tmp_path / "gone" / "model", {}, {})


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from chainrule.core import RunError
from chainrule.files import write_arrays, write_text
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
model, page = Path(sys.argv[1]), Path(sys.argv[2])
for write in (lambda: write_arrays(model, {"a": np.zeros(9000)}, {}), lambda: write_text(page, "x" * 5000)):
    try:
        write()
    except RunError as error:
        print(error)
"""


def test_a_full_disk_leaves_the_old_file(model_file: Path) -> None:
    before, page = model_file.read_bytes(), model_file.parent / "page.html"
    page.write_text("old")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL_DISK, str(model_file), str(page)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.stderr == ""
    assert run.stdout.splitlines() == [
        f"{path}: cannot be written: File too large" for path in (model_file, page)
    ]
    assert model_file.read_bytes() == before
    assert page.read_text() == "old"
    assert names_in(model_file.parent) == ["model", "page.html"]
