"""Into how many units a run would cut its input: as many workers have something to do."""

from transforms.files import CorpusFile, is_divisible
from transforms.reading.corpus import Corpus
from transforms.reading.decompress import compression_suffix
from transforms.reading.units import unit_bytes_of


def expected_units(corpus: Corpus, limit: int | None = None) -> int:
    """Returns about how many units a run has, by the sizes of its files alone.

    Args:
        corpus: The corpus.
        limit: How many rows are read, if not all; one worker reads them.
    """
    if limit is not None:
        return 1
    most = unit_bytes_of(corpus)
    whole = sum(file.size for file in corpus.files if _stays_whole(file, most))
    long = [file for file in corpus.files if file.size > most]
    # Files that cannot be cut, and groups of small ones, which are seldom full.
    units = sum(1 if _stays_whole(file, most) else -(-file.size // most) for file in long)
    grouped = whole - sum(file.size for file in long if _stays_whole(file, most))
    return max(1, units + -(-grouped // most))


def _stays_whole(file: CorpusFile, unit_bytes: int) -> bool:
    is_frameless = compression_suffix(file.path) in (".gz", ".bz2")
    return file.size <= unit_bytes or is_frameless or not is_divisible(file.path)
