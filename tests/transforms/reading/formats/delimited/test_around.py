import itertools

import numpy as np
import pytest

from tests.transforms.reading.reading import as_csv
from transforms.reading.corpus import plan_corpus
from transforms.reading.formats.delimited.reader import CSV
from transforms.reading.units import Unit, read_unit
from transforms.writing.folder import open_folder

WORDS = ["a", "fine, day", 'said "so"', "two\nlines", "three\n\nmore,\nlines", '"\n"', "x" * 200]


def rows_of(corpus, start, stop):
    """Rows of the records that begin in a range, and how many of them are rejected."""
    (file,) = corpus.files
    part = CSV.around(file, start, stop)
    unit = Unit((file,), part.start, part.stop)
    batches = [batch for _, batch in read_unit(corpus, unit)] if part.stop > part.start else []
    rows = [row["text"] for batch in batches for row in batch.rows.to_pylist()]
    return rows, sum(batch.rejected.num_rows for batch in batches)


@pytest.fixture(params=["utf-8", "utf-16"])
def written(request, tmp_path):
    generator = np.random.default_rng(3)
    texts = [" ".join(generator.choice(WORDS, 6)) for _ in range(3000)]
    content = as_csv(["id", "text"], *((str(n), text) for n, text in enumerate(texts)))
    (tmp_path / "a.csv").write_bytes(content.encode(request.param))
    return plan_corpus([str(tmp_path / "a.csv")]), texts


@pytest.mark.parametrize("step", [4000, 30_000])
def test_ranges_side_by_side_have_every_record_once(written, step):
    corpus, texts = written
    bounds = [*range(0, corpus.size, step), corpus.size]
    found = [rows_of(corpus, a, b) for a, b in itertools.pairwise(bounds)]
    assert sum(rejected for _, rejected in found) == 0
    assert [row for rows, _ in found for row in rows] == texts


def test_a_range_within_one_record_has_none(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(as_csv(["text", "n"], ("word\n" * 9000, "1"), ("b", "2")))
    corpus = plan_corpus([str(path)])
    assert rows_of(corpus, 20_000, 24_000) == ([], 0)


def test_records_that_cannot_be_read_are_rejected_as_elsewhere(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,n\n" + "a,1\nb,1\nc,1,1\n" * 4000)
    rows, rejected = rows_of(plan_corpus([str(path)]), 16_000, 24_000)
    assert len(rows) == pytest.approx(2 * rejected, abs=2)


def test_a_bucket_is_asked_for_a_header_and_a_range_and_no_more(gcs_bucket, gcs_proxy):
    content = as_csv(["id", "text"], *((str(n), "a word" * 9) for n in range(9000)))
    open_folder(gcs_bucket).write_whole("a.csv", content.encode())
    (file,) = plan_corpus([f"{gcs_bucket}/a.csv"]).files
    before = gcs_proxy.requests
    CSV.around(file, 300_000, 310_000)
    assert gcs_proxy.requests - before == 2
