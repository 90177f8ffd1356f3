"""What a plan says: the input, its rows and tokens, the model's work, and who could do it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.inference.cost import EncoderShape
from pipelines.planning.counting import TokenCounter
from pipelines.planning.estimate import CorpusEstimate, estimate
from pipelines.planning.machines import Offer, Work, check_prices, offers
from pipelines.planning.sample import Sample, take_sample
from transforms.files import CorpusFile, is_divisible
from transforms.reading.decompress import compression_suffix
from transforms.reading.readers import FileRange
from transforms.reading.units import plan_units

if TYPE_CHECKING:
    from pipelines.job import Asked
    from transforms.reading.corpus import Corpus


@dataclass(frozen=True)
class RunEstimate:
    """What a run would take.

    Attributes:
        asked: The run.
        corpus: What it reads.
        sample: What was read of that.
        counts: What it would count.
        shape: The size of the model.
        operations: Floating-point operations of the model, for all rows, without padding.
        num_units: About how many units the work is cut into.
        offers: What machines would do.
    """

    asked: "Asked"
    corpus: "Corpus"
    sample: Sample
    counts: CorpusEstimate
    shape: EncoderShape
    operations: float
    num_units: int
    offers: Sequence[Offer]


def estimate_run(asked: "Asked", corpus: "Corpus") -> RunEstimate:
    """Reads a sample of a corpus and says what a run would take; writes nothing.

    Raises:
        UserError: A price is that of a machine that is not known, or a file cannot be read.
        RunError: The storage failed.
    """
    args = asked.args
    prices = dict(args.price or ())
    check_prices(prices)
    counter = TokenCounter(asked.preset, asked.sequence_length, args.long_text, asked.job.embedding)
    sample = take_sample(corpus, args.limit)
    counts = estimate(sample, counter, asked.sequence_length)
    shape = EncoderShape.of_config(asked.preset.backbone_config)
    operations = shape.operations(counts.computed.value, counts.squares.value)
    num_units = len(plan_units(corpus, args.limit, split=_cut_by_size))
    work = Work(
        counts.rows.value,
        counts.tokens.value,
        counts.computed.value,
        operations,
        shape.hidden_dim,
        asked.preset.tokenizer_kind,
        args.precision,
    )
    found = offers(work, num_units, args.deadline, prices)
    return RunEstimate(asked, corpus, sample, counts, shape, operations, num_units, found)


def _cut_by_size(corpus: "Corpus", file: CorpusFile, range_bytes: int) -> Sequence[FileRange]:
    """Returns about as many ranges as a run would cut a file into, without opening it."""
    is_frameless = compression_suffix(file.path) in (".gz", ".bz2")
    if is_frameless or not is_divisible(file.path):
        return (FileRange(file),)
    return (FileRange(file),) * max(1, -(-file.size // range_bytes))
