import pytest

from transforms.files import CorpusFile
from transforms.reading.corpus import plan_corpus
from transforms.reading.readers import ReadUnit
from transforms.reading.units import read_head, read_unit, split_file

CONTENTS = {
    "a.txt": "".join(f"row {i}\n" for i in range(100)),
    "a.jsonl": "".join(f'{{"text": "row {i}"}}\n' for i in range(100)),
    "a.csv": "text\n" + "".join(f"row {i}\n" for i in range(100)),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_units_of_a_file_hold_each_row_once_in_order(tmp_path, name):
    (tmp_path / name).write_text(CONTENTS[name])
    corpus = plan_corpus([str(tmp_path / name)])
    (file,) = corpus.files
    units = list(split_file(corpus, file, 200))
    assert len(units) > 2 or name == "a.csv"  # whose rows may hold newlines
    texts = [
        text
        for unit in units
        for batch in read_unit(corpus, unit)
        for text in batch.rows.column("text").to_pylist()
    ]
    assert texts == [f"row {i}" for i in range(100)]


def test_a_small_file_is_one_unit_and_is_not_opened_for_it(tmp_path):
    (tmp_path / "b.txt").write_text("x\n")
    corpus = plan_corpus([str(tmp_path / "b.txt")])
    gone = CorpusFile(str(tmp_path / "gone.txt"), 10)
    assert list(split_file(corpus, gone)) == [ReadUnit(gone.path)]


def test_a_file_that_is_gone_is_an_error_of_the_system(tmp_path):
    (tmp_path / "a.txt").write_text("x\n")
    corpus = plan_corpus([str(tmp_path / "a.txt")])
    (tmp_path / "a.txt").unlink()
    with pytest.raises(FileNotFoundError):
        list(read_unit(corpus, ReadUnit(corpus.files[0].path)))


@pytest.mark.parametrize(
    ("limit", "rows"), [(0, []), (2, ["a", "b"]), (3, ["a", "b", "c"]), (9, ["a", "b", "c", "d"])]
)
def test_the_head_of_a_corpus_goes_over_its_files(tmp_path, limit, rows):
    (tmp_path / "1.txt").write_text("a\nb\n")
    (tmp_path / "2.txt").write_text("c\nd\n")
    corpus = plan_corpus([str(tmp_path)])
    found = list(read_head(corpus, limit))
    texts = [text for _, batch in found for text in batch.rows.column("text").to_pylist()]
    assert texts == rows
