"""Reading a file of lines block by block."""

from collections.abc import Callable, Iterator

from transforms.reading.dialect import UTF_8
from transforms.reading.layout import Layout, ReadBatch, Rejects, rejected_only
from transforms.reading.lines import LineBlock, line_blocks
from transforms.reading.readers import FileRange


def read_blocks(
    layout: Layout,
    unit: FileRange,
    read_block: Callable[[LineBlock, Rejects], Iterator[ReadBatch]],
) -> Iterator[ReadBatch]:
    """Reads the lines whose first byte lies in a range; those that cannot be read are rejected.

    Args:
        layout: The columns.
        unit: The range.
        read_block: Makes batches from a block of whole lines, and collects the rejected rows.

    Yields:
        Batches whose `position` is the byte offset of the line in the decompressed file.
    """
    encoding = unit.dialect.encoding or UTF_8
    rejects = Rejects(unit.path, encoding)
    for block in line_blocks(
        unit.file, unit.start, unit.stop, encoding=encoding, stored_start=unit.stored_start
    ):
        if block.fault is None:
            yield from read_block(block, rejects)
        else:
            rejects.add(block.offset, block.data, block.fault)
            yield rejected_only(layout, rejects)
