"""A better model is a shorter file: cross-entropy, turned into bytes that come back exactly.

    bytes <= bits of surprisal / 8 + what rounding costs + a word a block

coder.py codes the tokens of any model, container.py is the file, blocks.py what its blocks are made of,
streams.py the way of all bytes through them, behind.py reads back what was coded.
"""

from chainrule.tasks.compression.behind import Behind
from chainrule.tasks.compression.blocks import ByteBlocks, ByteCoder, Promise, TokenBlocks
from chainrule.tasks.compression.coder import Coded, decode, encode, frequencies
from chainrule.tasks.compression.container import (
    MAGIC,
    Contents,
    Details,
    Reader,
    Source,
    Target,
    Writer,
    contents,
)
from chainrule.tasks.compression.streams import read_stream, write_stream

__all__ = [
    "MAGIC",
    "Behind",
    "ByteBlocks",
    "ByteCoder",
    "Coded",
    "Contents",
    "Details",
    "Promise",
    "Reader",
    "Source",
    "Target",
    "TokenBlocks",
    "Writer",
    "contents",
    "decode",
    "encode",
    "frequencies",
    "read_stream",
    "write_stream",
]
