"""Files with tables: mapped, not read, and safe against whatever stands in their header."""

import hashlib
import json
import mmap
import os
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load as parse_tensors

from chainrule.core import FileFormatError, RunError
from chainrule.files import read_arrays, verify, write_arrays
from tests.test_files import ARRAYS, HEADER, TABLES, names_in, same


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A small file, to be written over."""
    write_arrays(tmp_path / "model", {"a": np.arange(3, dtype=np.float32)}, {"seed": 1})
    return tmp_path / "model"


@pytest.fixture
def tables_file(tmp_path: Path) -> Path:
    write_arrays(tmp_path / "tables", ARRAYS, HEADER, tables=TABLES)
    return tmp_path / "tables"


def place(path: Path, name: str) -> tuple[int, int]:
    """Where the contents of an array begin and end in a file."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    begin, end = json.loads(data[8:start])[name]["data_offsets"]
    return start + begin, start + end


def damaged(data: bytes, at: int, flip: int = 1) -> bytes:
    return data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]


def test_tables_come_back_beside_the_other_arrays(tables_file: Path) -> None:
    arrays, header = read_arrays(tables_file)
    assert same(arrays, {**ARRAYS, **TABLES})
    assert header == HEADER
    verify(tables_file)


def test_arrays_are_views_of_the_file_that_nobody_can_write_to(tables_file: Path) -> None:
    arrays, _ = read_arrays(tables_file)
    assert {type(array.base) for array in arrays.values()} == {mmap.mmap}
    assert len({id(array.base) for array in arrays.values()}) == 1
    for array in arrays.values():
        assert not array.flags.writeable
        assert array.flags.aligned
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True
    at, _ = place(tables_file, "codes")
    assert arrays["codes"].flat[0] == TABLES["codes"].flat[0]
    with tables_file.open("r+b") as file:
        file.seek(at)
        file.write(b"\x63")
    assert arrays["codes"].flat[0] == 0x63  # no copy was made


def test_arrays_stand_where_a_processor_likes_them(tables_file: Path) -> None:
    assert (8 + int.from_bytes(tables_file.read_bytes()[:8], "little")) % 64 == 0
    for name, array in {**ARRAYS, **TABLES}.items():
        assert place(tables_file, name)[0] % array.itemsize == 0, name


def test_a_mapped_table_outlives_a_file_that_is_replaced(tables_file: Path) -> None:
    arrays, _ = read_arrays(tables_file)
    write_arrays(tables_file, {}, HEADER)
    assert same(arrays, {**ARRAYS, **TABLES})
    tables_file.unlink()
    assert same(arrays, {**ARRAYS, **TABLES})


def test_a_file_that_was_read_can_be_written_over_with_its_own_arrays(tables_file: Path) -> None:
    before = tables_file.read_bytes()
    arrays, header = read_arrays(tables_file)
    tables = {name: arrays.pop(name) for name in TABLES}
    write_arrays(tables_file, arrays, header, tables=tables)
    assert tables_file.read_bytes() == before


def test_a_file_can_come_through_a_pipe(tables_file: Path) -> None:
    pipe = tables_file.parent / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(tables_file.read_bytes(),))
    writer.start()
    arrays, _ = read_arrays(pipe)
    writer.join()
    assert same(arrays, {**ARRAYS, **TABLES})


def test_the_library_of_the_format_reads_the_same(tables_file: Path) -> None:
    assert same(parse_tensors(tables_file.read_bytes()), {**ARRAYS, **TABLES})
    with safe_open(tables_file, framework="np") as opened:
        found = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no dictionary
        assert list(opened.metadata()) == ["chainrule"]
    assert same(found, {**ARRAYS, **TABLES})


def test_the_metadata_are_as_they_are_described(tables_file: Path) -> None:
    data = tables_file.read_bytes()
    layout = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    wrapped = json.loads(layout["__metadata__"]["chainrule"])
    assert wrapped.keys() == {"format", "header", "sha256", "tables"}
    assert json.loads(wrapped["header"]) == HEADER
    assert wrapped["tables"] == {
        name: hashlib.sha256(table.tobytes()).hexdigest() for name, table in TABLES.items()
    }


@pytest.mark.parametrize("name", TABLES)
def test_a_flipped_bit_in_a_table_is_found_by_verify_and_named(tables_file: Path, name: str) -> None:
    data = tables_file.read_bytes()
    begin, end = place(tables_file, name)
    for at in (begin, (begin + end) // 2, end - 1):
        tables_file.write_bytes(damaged(data, at, 4))
        read_arrays(tables_file)
        with pytest.raises(FileFormatError, match=f"the file is damaged: {name} does not match its checksum"):
            verify(tables_file)


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_outside_of_tables_is_found_on_reading(tmp_path: Path, bit: int) -> None:
    path = tmp_path / "model"
    write_arrays(path, {"a": np.arange(3, dtype=np.int16)}, {"seed": 1}, tables={"t": np.arange(5.0)})
    data, table = path.read_bytes(), range(*place(path, "t"))
    for at in set(range(len(data))) - set(table):
        path.write_bytes(damaged(data, at, 1 << bit))
        with pytest.raises(FileFormatError):
            read_arrays(path)


def test_a_file_of_tables_cut_anywhere_is_refused(tables_file: Path) -> None:
    data = tables_file.read_bytes()
    for length in (*range(0, len(data), 7), len(data) - 1):
        tables_file.write_bytes(data[:length])
        with pytest.raises(FileFormatError):
            read_arrays(tables_file)


def test_names_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    one = {"a": np.zeros(1)}
    with pytest.raises(ValueError, match="a name of its own"):
        write_arrays(tmp_path / "model", one, {}, tables=one)
    taken = {"__metadata__": np.zeros(1)}
    for arrays, tables in ((one, taken), (taken, one)):
        with pytest.raises(ValueError, match="none as __metadata__"):
            write_arrays(tmp_path / "model", arrays, {}, tables=tables)
    assert names_in(tmp_path) == []


def test_a_header_that_could_not_be_read_again_is_not_written(model_file: Path) -> None:
    before = model_file.read_bytes()
    with pytest.raises(RunError, match="expected at most 100000000 bytes of header"):
        write_arrays(model_file, {}, {"text": "x" * 100_000_000})
    assert model_file.read_bytes() == before


def crafted(places: str, data: bytes, *, pad: bool = True, **changed: Any) -> bytes:
    """A file whose layout says anything; `places` is JSON without its outer braces. Its digest is right for
    one array of the number 0 that is named a, and for an empty header."""
    sha256 = hashlib.sha256(b"{}" + b"\0a\0<f8\0(1,)\0" + bytes(8)).hexdigest()
    wrapped = json.dumps({"format": 2, "header": "{}", "sha256": sha256, "tables": {}, **changed})
    head = f'{{"__metadata__": {json.dumps({"chainrule": wrapped})}, {places}}}'.encode()
    head += b" " * (-len(head) % 8) if pad else b" " * (-len(head) % 8 + 4)
    return struct.pack("<Q", len(head)) + head + data


def listed(name: str = "a", dtype: str = "F64", shape: str = "[1]", offsets: str = "[0, 8]") -> str:
    return f'"{name}": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": {offsets}}}'


def test_a_crafted_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(crafted(listed(), bytes(8)))
    assert same(read_arrays(tmp_path / "model")[0], {"a": np.zeros(1)})


HUGE = ", ".join([str(2**62)] * 300_000)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (f"{listed()}, {listed()}", "something else, or a damaged file"),
        (f"{listed()}, {listed('b')}", "'b': expected it at 8, got 0"),
        (f"{listed()}, {listed('b', 'U8', '[2]', '[7, 9]')}", "'b': expected it at 8, got 7"),
        (listed("a", "U8", "[7]", "[1, 8]"), "'a': expected it at 0, got 1"),
        (listed(offsets="[8, 16]"), "'a': expected it at 0, got 8"),
        (listed(offsets="[8, 0]"), "'a': expected 8 bytes, got -8"),
        (listed(offsets="[-8, 0]"), "whole numbers"),
        (listed(offsets="[0, 8, 8]"), "damaged"),
        (listed(offsets="[NaN, NaN]"), "whole numbers"),
        (listed(offsets="[0, Infinity]"), "whole numbers"),
        (listed(offsets="[0, 8e0]"), "whole numbers"),
        (listed(offsets="[false, 8]"), "whole numbers"),
        (listed(offsets=f"[0, {2**64 + 8}]"), "whole numbers"),
        (listed(offsets=f"[0, {'9' * 5000}]"), "something else, or a damaged file"),
        (listed(offsets='"08"'), "whole numbers"),
        (listed(offsets="null"), "damaged"),
        (listed(shape="[2]"), "'a': expected 16 bytes, got 8"),
        (listed(shape="[-1]"), "whole numbers"),
        (listed(shape="[-1, -1]"), "whole numbers"),
        (listed(shape="[1.0]"), "whole numbers"),
        (listed(shape="[NaN]"), "whole numbers"),
        (listed(shape="[true]"), "whole numbers"),
        (listed(shape="null"), "damaged"),
        (listed(shape="{}"), "their checksum"),
        (listed(shape=f"[{2**61 + 1}]"), "'a': expected 18446744073709551624 bytes, got 8"),
        (listed(shape=f"[{2**62}, 4]"), "'a': expected"),
        (listed(shape=f"[{HUGE}]"), "whole numbers"),
        (f"{listed()}, {listed('b', 'F64', f'[0, {2**62}, 4]', '[8, 8]')}", "damaged"),
        (listed(dtype="F99"), "damaged"),
        (listed(dtype="BF16", shape="[4]"), "damaged"),
        (f'"a": {"[" * 10**5}', "something else, or a damaged file"),
        (f'"a": {"[" * 10**5}{"]" * 10**5}', "damaged"),
        ('"a": 7', "damaged"),
        ('"a": {}', "damaged"),
        ('"a": null', "damaged"),
        (listed("b\\n\\ud800", "U8"), r"'b\n\ud800': expected 1 bytes"),
        (f"{listed()}, {listed('b', 'U8', '[0]', '[8, 8]')}", "their checksum"),
        (listed(dtype="I64"), "their checksum"),
        (listed("b"), "their checksum"),
        (listed(shape="[1, 1]"), "their checksum"),
        (listed("a", "U8", "[1]", "[0, 1]"), "expected 1 bytes of arrays, got 8"),
    ],
    ids=lambda text: text[:60],
)  # fmt: skip
def test_hostile_places_are_refused(tmp_path: Path, places: str, message: str) -> None:
    path = tmp_path / "model"
    path.write_bytes(crafted(places, bytes(8)))
    with pytest.raises(FileFormatError) as caught:
        read_arrays(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    str(caught.value).encode()


def test_a_large_file_of_another_kind_is_not_read_as_a_header(tmp_path: Path) -> None:
    path = tmp_path / "model"
    for start in (b"[" * 8, b"{" * 8):
        with path.open("wb") as file:
            file.write((1 << 33).to_bytes(8, "little") + start)
            file.truncate(1 << 34)  # nearly all of it takes no room on the disk
        with pytest.raises(FileFormatError, match="something else, or a damaged file"):
            read_arrays(path)


def test_arrays_at_odd_places_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(crafted(listed(), bytes(8), pad=False))
    with pytest.raises(FileFormatError, match="expected the arrays at a multiple of 8 bytes"):
        read_arrays(path)
    path.write_bytes(
        crafted(f"{listed('a', 'U8', '[1]', '[0, 1]')}, {listed('b', offsets='[1, 9]')}", bytes(9))
    )
    with pytest.raises(FileFormatError, match="'b': expected it at a multiple of 8 bytes, got 1"):
        read_arrays(path)


@pytest.mark.parametrize(
    "changed",
    [
        {"tables": None}, {"tables": []}, {"tables": ["a"]}, {"tables": {"a": None}}, {"tables": {"a": 7}},
        {"tables": {"a": "7"}}, {"tables": {"b": "7"}}, {"tables": "a"}, {"header": None}, {"header": 7},
        {"header": "[]"}, {"header": "\ud800"}, {"sha256": None}, {"sha256": ""},
    ],
    ids=repr,
)  # fmt: skip
def test_hostile_metadata_are_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    (tmp_path / "model").write_bytes(crafted(listed(), bytes(8), **changed))
    with pytest.raises(FileFormatError, match="damaged"):
        read_arrays(tmp_path / "model")


@pytest.mark.parametrize(
    "text", ["[" * 10**5, "[]", "7", "NaN", '{"a": 1, "a": 2}', ""], ids=lambda text: text[:20]
)
def test_a_hostile_header_with_a_right_digest_is_refused(tmp_path: Path, text: str) -> None:
    sha256 = hashlib.sha256(text.encode() + b"\0a\0<f8\0(1,)\0" + bytes(8)).hexdigest()
    (tmp_path / "model").write_bytes(crafted(listed(), bytes(8), header=text, sha256=sha256))
    with pytest.raises(FileFormatError, match="damaged"):
        read_arrays(tmp_path / "model")
