"""Any number of bytes, block by block: what is in memory is one block and what its coder knows.

source -> blocks of up to 65,536 bytes -> coder -> file,  and back
"""

import codecs
import zlib
from collections.abc import Callable

from chainrule.core import FileFormatError
from chainrule.tasks.compression.blocks import Blocks
from chainrule.tasks.compression.container import BLOCK, Block, End, Reader, Source, Target, Writer, read_all

Tell = Callable[[int], None]
See = Callable[[bytes], None]


def write_stream(
    source: Source,
    writer: Writer,
    blocks: Blocks,
    *,
    whole: bool = False,
    tell: Tell | None = None,
    see: See | None = None,
) -> End:
    """All of a source, coded. whole: cut between characters, not within, where it is UTF-8.

    tell: told how many bytes are done; see: shown every block.
    """
    end, rest = End(0, 0), b""
    while data := rest + read_all(source, BLOCK - len(rest)):
        cut = _whole(data) if whole and len(data) == BLOCK else len(data)
        data, rest = data[:cut], data[cut:]
        writer.block(blocks.encode(data))
        end = _counted(end, data)
        if see:
            see(data)
        if tell:
            tell(end.total)
    writer.end(end)
    return end


def read_stream(
    reader: Reader,
    target: Target,
    blocks: Blocks,
    *,
    tell: Tell | None = None,
    see: See | None = None,
) -> End:
    """What `write_stream` was given; blocks are handed on as they are decoded, before the last check.

    tell: told how many bytes of the file are read; see: shown every block.
    Raises FileFormatError, and what `Blocks.decode` does.
    """
    end = End(0, 0)
    while isinstance(part := reader.next(), Block):
        data = blocks.decode(part)
        end = _counted(end, data)
        target.write(data)
        if see:
            see(data)
        if tell:
            tell(reader.size)
    if part != end:
        raise FileFormatError(
            f"the file is damaged: expected {part.total} bytes with CRC {part.crc:08x} to come out, got "
            f"{end.total} with {end.crc:08x}"
        )
    return end


def _counted(end: End, data: bytes) -> End:
    return End(end.total + len(data), zlib.crc32(data, end.crc))


def _whole(data: bytes) -> int:
    """Where the last character begins, if the data are UTF-8 but for its end; else the end."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(data)
    except UnicodeDecodeError:
        return len(data)
    return len(data) - len(decoder.getstate()[0])
