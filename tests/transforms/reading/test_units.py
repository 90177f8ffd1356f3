import threading

import pytest

from transforms.files import CorpusFile
from transforms.reading.corpus import Corpus, plan_corpus
from transforms.reading.readers import FileRange
from transforms.reading.units import Unit, plan_units, read_unit, split_file, unit_bytes_of

CONTENTS = {
    "a.txt": "".join(f"row {i}\n" for i in range(100)),
    "a.jsonl": "".join(f'{{"text": "row {i}"}}\n' for i in range(100)),
    "a.csv": "text\n" + "".join(f"row {i}\n" for i in range(100)),
}


def texts_of(corpus: Corpus, *units: Unit) -> list[str]:
    batches = [batch for unit in units for _, batch in read_unit(corpus, unit)]
    return [text for batch in batches for text in batch.rows.column("text").to_pylist()]


@pytest.mark.parametrize("name", CONTENTS)
def test_units_of_a_file_hold_each_row_once_in_order(tmp_path, name):
    (tmp_path / name).write_text(CONTENTS[name])
    corpus = plan_corpus([str(tmp_path / name)])
    units = plan_units(corpus, unit_bytes=200)
    assert len(units) > 2 or name == "a.csv"  # whose rows may hold newlines
    assert texts_of(corpus, *units) == [f"row {i}" for i in range(100)]
    assert sum(unit.size for unit in units) == pytest.approx(corpus.size)
    assert len({unit.name for unit in units}) == len(units)


def test_small_files_share_a_unit_and_large_ones_are_cut(tmp_path):
    for name, rows in {"1": 1, "2": 2, "3": 100, "4": 1, "5": 30, "6": 1}.items():
        (tmp_path / f"{name}.txt").write_text("".join(f"{name}-{i}\n" for i in range(rows)))
    corpus = plan_corpus([str(tmp_path)])
    units = plan_units(corpus, unit_bytes=200)
    names = [[file.path[-5] for file in unit.files] for unit in units]
    assert names == [["1", "2"], *[["3"]] * 3, ["4", "5", "6"]]
    found = [text.split("-")[0] for text in texts_of(corpus, *units)]
    assert found == [*"122", *"3" * 100, "4", *"5" * 30, "6"]


def test_units_are_a_share_of_the_corpus_within_limits(tmp_path):
    (tmp_path / "a.txt").write_text("x\n")
    planned = plan_corpus([str(tmp_path / "a.txt")])
    found = [
        unit_bytes_of(Corpus(**{**vars(planned), "files": (CorpusFile("a.txt", size),)}))
        for size in (1, 768 << 20, 1 << 36, 1 << 40)
    ]
    assert found == [8 << 20, 12 << 20, 16 << 20, 32 << 20]


def test_a_unit_is_named_by_what_it_reads():
    file = CorpusFile("a.txt", 10, "1")
    units = [
        Unit((file,)), Unit((CorpusFile("a.txt", 10, "2"),)), Unit((file,), 5),
        Unit((file,), 0, 5), Unit((file,), limit=3), Unit((file, file)),
    ]  # fmt: skip
    assert len({unit.name for unit in units}) == len(units)
    assert Unit((CorpusFile("a.txt", 10, "1", "fingerprint"),), size=7).name == units[0].name
    assert [Unit.from_json(unit.as_json()) for unit in units] == units


def test_a_small_file_is_not_opened_for_planning(tmp_path):
    (tmp_path / "b.txt").write_text("x\n")
    corpus = plan_corpus([str(tmp_path / "b.txt")])
    gone = CorpusFile(str(tmp_path / "gone.txt"), 10)
    assert list(split_file(corpus, gone, 1000)) == [FileRange(gone)]


def test_a_file_that_is_gone_is_an_error_of_the_system(tmp_path):
    (tmp_path / "a.txt").write_text("x\n")
    corpus = plan_corpus([str(tmp_path / "a.txt")])
    (tmp_path / "a.txt").unlink()
    with pytest.raises(FileNotFoundError):
        list(read_unit(corpus, Unit(corpus.files)))


@pytest.mark.parametrize(
    ("limit", "rows"), [(0, []), (2, ["a", "b"]), (3, ["a", "b", "c"]), (9, ["a", "b", "c", "d"])]
)
def test_the_head_of_a_corpus_goes_over_its_files(tmp_path, limit, rows):
    (tmp_path / "1.txt").write_text("a\nb\n")
    (tmp_path / "2.txt").write_text("c\nd\n")
    corpus = plan_corpus([str(tmp_path)])
    (unit,) = plan_units(corpus, limit)
    assert texts_of(corpus, unit) == rows


def test_the_first_rows_count_rejected_ones_and_open_no_file_too_many(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.txt").write_bytes(b"a\n\xff\nb\n\xff\n")
    corpus = plan_corpus([str(tmp_path)])
    (tmp_path / "2.txt").unlink()
    (unit,) = plan_units(corpus, 6)
    heads = list(read_unit(corpus, unit))
    assert [(path[-5:], b.rows.num_rows, b.rejected.num_rows) for path, b in heads] == [
        ("0.txt", 2, 2),
        ("1.txt", 1, 1),
    ]
    (unit,) = plan_units(corpus, 8)
    assert sum(batch.num_rows for _, batch in read_unit(corpus, unit)) == 8


def test_files_of_this_machine_are_read_without_threads(tmp_path, monkeypatch):
    for number in range(20):
        (tmp_path / f"{number:02}.txt").write_text(f"{number}\n")
    corpus = plan_corpus([str(tmp_path)])
    (unit,) = plan_units(corpus)
    monkeypatch.setattr(threading.Thread, "start", None)  # whoever starts one fails
    assert texts_of(corpus, unit) == [str(number) for number in range(20)]
