"""What a manifest says of tokens and cut texts, on its way from models to the writer.

Columns of the rows tell it, `num_tokens` and `truncated`; where there are none, the counts of the
batches of `ReadCorpus` do.
"""

from collections.abc import Mapping

import pyarrow as pa

from transforms.counters import Counters, sum_counters
from transforms.schemas import TRUNCATED
from transforms.unit_batch import UnitBatch
from transforms.writing.parts import count_results


def is_told(counted: pa.Field, added: Mapping[str, pa.Field]) -> bool:
    """Returns whether the writer finds what is counted in a column that it knows.

    Args:
        counted: `NUM_TOKENS` or `TRUNCATED`.
        added: The columns that a model adds to rows, by their names between the stages.
    """
    column = added.get(counted.name)
    return column is not None and column.equals(counted)


def with_counts(
    batch: UnitBatch, results: pa.RecordBatch, added: Mapping[str, pa.Field], counts: Counters
) -> UnitBatch:
    """Returns a batch with what one more model counted.

    Of texts that several models cut, the batch counts those of the model that cut most: it cut, as
    a rule, what the others cut too.

    Args:
        batch: The batch.
        results: Its rows that have results, as the stages know them.
        added: The columns that the model adds to rows.
        counts: Other counts.
    """
    counts = sum_counters([batch.counts, counts])
    if results.num_rows and not is_told(TRUNCATED, added):
        cut = results.column(TRUNCATED.name).true_count
        counts["truncated"] = max(counts.get("truncated", 0), cut)
    return batch.count(counts)


def counts_beside_columns(batch: UnitBatch) -> Counters:
    """Returns what was counted of a batch beside what the columns of its rows tell.

    Rows may have been rejected since a model cut their texts, and of two models one may tell it in
    a column: no more rows are truncated than are written.
    """
    counts = dict(batch.counts)
    if "truncated" in counts:
        told = count_results(pa.Table.from_batches([batch.rows])).get("truncated", 0)
        counts["truncated"] = max(min(counts["truncated"], len(batch)) - told, 0)
    return counts
