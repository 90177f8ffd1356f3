"""What a sample says, beside what a run over all rows counts."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.presets.lookup import open_preset
from pipelines.planning.counting import TokenCounter
from pipelines.planning.estimate import CorpusEstimate, estimate
from pipelines.planning.sample import SMALL_BYTES, take_sample
from tests.pipelines.planning.corpora import (
    CORPORA,
    SEQUENCE_LENGTH,
    in_parquet,
    planned,
    truth_of,
)
from transforms.errors import InputError
from transforms.reading.corpus import Corpus

_CLOSE = 0.1
_POINTS = 0.03


def estimated(corpus: Corpus, limit: int | None = None) -> CorpusEstimate:
    counter = TokenCounter(open_preset("sentiment_tiny_en"), SEQUENCE_LENGTH)
    return estimate(take_sample(corpus, limit), counter, SEQUENCE_LENGTH)


@pytest.mark.parametrize("name", CORPORA)
def test_an_estimate_is_close_to_what_a_run_counts(name, tmp_path):
    CORPORA[name](tmp_path)
    corpus = planned(tmp_path)
    assert corpus.size > SMALL_BYTES or corpus.format == "parquet"
    found, truth = estimated(corpus), truth_of(corpus)
    assert found.rows.value == pytest.approx(truth.rows, rel=_CLOSE)
    assert found.tokens.value == pytest.approx(truth.tokens, rel=_CLOSE)
    assert found.truncated.value == pytest.approx(truth.truncated, abs=_POINTS)
    assert found.rejected.value == pytest.approx(truth.rejected, rel=_CLOSE, abs=truth.rows / 1000)
    # The intervals say how close: a number is outside of them once in twenty times.
    for number, count in ((found.rows, truth.rows), (found.tokens, truth.tokens)):
        assert abs(number.value - count) <= max(2 * number.error, 0.003 * count)
        assert number.error <= _CLOSE * count
    assert sum(found.lengths.shares) == pytest.approx(1)
    too_long = [
        share
        for edge, share in zip(found.lengths.edges, found.lengths.shares, strict=True)
        if edge > SEQUENCE_LENGTH
    ]
    assert sum(too_long) == pytest.approx(found.truncated.value, abs=0.01)


def test_a_small_corpus_is_counted_not_estimated(tmp_path):
    (tmp_path / "a.txt").write_text("a fine day\n" * 500 + "a very fine day\n" * 500)
    corpus = planned(tmp_path)
    found, truth = estimated(corpus), truth_of(corpus)
    assert found.rows == (truth.rows, 0)
    assert found.tokens == (truth.tokens, 0)


def test_the_same_corpus_has_the_same_estimate(tmp_path):
    CORPORA["few_large"](tmp_path)
    corpus = planned(tmp_path)
    assert estimated(corpus) == estimated(corpus)


def test_rows_of_parquet_are_those_that_footers_say(tmp_path):
    in_parquet(tmp_path)
    table = pa.concat_tables([pq.read_table(path) for path in sorted(tmp_path.iterdir())] * 2)
    pq.write_table(table, tmp_path / "all.parquet", compression="none", row_group_size=3_000)
    corpus = planned(tmp_path)
    assert corpus.size > SMALL_BYTES
    assert estimated(corpus).rows == (table.num_rows + table.num_rows // 2, 0)


@pytest.mark.parametrize("limit", [1, 700, 10**6])
def test_a_limit_counts_first_rows(tmp_path, limit):
    CORPORA["few_large"](tmp_path)
    corpus = planned(tmp_path)
    found = estimated(corpus, limit)
    if limit < truth_of(corpus).rows:
        assert found.rows == (limit, 0)
    else:
        assert found.rows.value == truth_of(corpus).rows


@pytest.mark.parametrize("content", ["", "\n\n", "{broken\n{broken\n"])
def test_a_corpus_without_texts_has_no_tokens(tmp_path, content):
    (tmp_path / "a.jsonl").write_text('{"text": "a fine day"}')
    corpus = planned(tmp_path)
    (tmp_path / "a.jsonl").write_text(content)
    found = estimated(corpus)
    assert found.tokens.value == 0
    assert found.rows.value == found.rejected.value == content.count("broken")


def test_a_file_that_is_gone_is_an_error_of_the_user(tmp_path):
    (tmp_path / "a.txt").write_text("a fine day\n")
    corpus = planned(tmp_path)
    (tmp_path / "a.txt").unlink()
    with pytest.raises(InputError, match=r"cannot read '.*a\.txt'"):
        estimated(corpus)
