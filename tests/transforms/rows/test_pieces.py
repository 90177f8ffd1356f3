"""Publishing what workers have written, again or when something is gone."""

import apache_beam as beam
import pytest

from tests.transforms.writing.results import rows_of
from transforms import WriteResults
from transforms.errors import OutputError, WriteError
from transforms.rows.pieces import Destination, Piece, publish_pieces
from transforms.verification import repair, verify
from transforms.writing.folder import open_folder
from transforms.writing.manifest import read_manifest
from transforms.writing.records import Record
from transforms.writing.run_plan import new_run_id, run_folder, started_of


def piece_of(folder, run_id, rows, name="a" * 20) -> Piece:
    """What a worker writes of rows."""
    asked = Destination(str(folder), "parquet", "error")
    schema = rows.schema.remove(rows.schema.get_field_index("token_ids"))
    rows = rows.select(schema.names)
    writer = asked.schemas(schema).part_writer(
        open_folder(str(folder)), f"{run_folder(run_id)}/parts", False
    )
    writer.write(rows)
    record = Record(name, 0, len(rows), True, {}, {}, [writer.close()], timeline=[])
    return Piece(record, schema, None)


def publish(folder, run_id, pieces, if_exists="error"):
    return publish_pieces(run_id, pieces, Destination(str(folder), "parquet", if_exists), None)


def fail(*_) -> None:
    raise OSError(5, "gone")


def test_publishing_again_is_the_same_result(tmp_path):
    run_id = new_run_id()
    pieces = [piece_of(tmp_path, run_id, rows_of("a", 0, 5))]
    first = publish(tmp_path, run_id, pieces)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert publish(tmp_path, run_id, pieces) == first == read_manifest(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert first["rows"]["written"] == 5
    assert first["started"] == started_of(run_id)
    assert not verify(str(tmp_path)).problems


def test_publishing_that_broke_off_goes_on(tmp_path, monkeypatch):
    run_id = new_run_id()
    pieces = [piece_of(tmp_path, run_id, rows_of("a", 0, 5))]
    with monkeypatch.context() as patch:
        patch.setattr(
            "transforms.writing.local_folder.LocalFolder.link",
            lambda *_: (_ for _ in ()).throw(OSError(5, "gone")),
        )
        with pytest.raises(WriteError, match="gone"):
            publish(tmp_path, run_id, pieces)
    assert publish(tmp_path, run_id, pieces)["rows"]["written"] == 5
    assert not verify(str(tmp_path)).problems
    assert not list(tmp_path.glob("_runs/*"))


def test_what_another_run_has_taken_away_is_no_result(tmp_path):
    first, second = new_run_id(), new_run_id()
    pieces = [piece_of(tmp_path, first, rows_of("a", 0, 5))]
    others = [piece_of(tmp_path, second, rows_of("b", 0, 3))]
    publish(tmp_path, second, others)
    before = read_manifest(str(tmp_path))
    with pytest.raises(WriteError, match=r"is gone: was the folder cleaned, or used by another"):
        publish(tmp_path, first, pieces, "overwrite")
    assert read_manifest(str(tmp_path)) == before
    third = new_run_id()
    pieces = [piece_of(tmp_path, third, rows_of("c", 0, 4))]
    assert publish(tmp_path, third, pieces, "append")["rows"]["written"] == 7
    assert not list(tmp_path.glob("_runs/*"))


FAILING = pytest.mark.parametrize(
    "step",
    [
        "transforms.writing.run_plan.RunPlan.save",
        "transforms.writing.publish.load_run_plan",
        "transforms.writing.publish.begin_publishing",
    ],
    ids=["plan", "check", "begin"],
)


@FAILING
def test_a_storage_that_fails_once_takes_no_rows_away(step, tmp_path, monkeypatch):
    run_id = new_run_id()
    pieces = [piece_of(tmp_path, run_id, rows_of("a", 0, 5))]
    with monkeypatch.context() as patch:
        patch.setattr(step, fail)
        for _ in range(2):
            with pytest.raises((OutputError, WriteError), match=r": gone$"):
                publish(tmp_path, run_id, pieces)
    assert publish(tmp_path, run_id, pieces)["rows"]["written"] == 5
    assert not verify(str(tmp_path)).problems
    assert not list(tmp_path.glob("_runs/*"))


@FAILING
@pytest.mark.parametrize("by", ["repair", "another run"])
def test_what_a_pipeline_left_that_failed_for_good_is_removed(step, by, tmp_path, monkeypatch):
    run_id = new_run_id()
    pieces = [piece_of(tmp_path, run_id, rows_of("a", 0, 5))]
    with monkeypatch.context() as patch:
        patch.setattr(step, fail)
        with pytest.raises((OutputError, WriteError)):
            publish(tmp_path, run_id, pieces)
    assert list(tmp_path.glob("_runs/*/parts/*"))
    assert not any("update" in note for note in verify(str(tmp_path)).notes)
    if by == "repair":
        assert repair(str(tmp_path)) == "removed 1 that no manifest lists"
    else:
        other = new_run_id()
        others = [piece_of(tmp_path, other, rows_of("b", 0, 3))]
        assert publish(tmp_path, other, others)["rows"]["written"] == 3
        assert not verify(str(tmp_path)).problems
    assert not list(tmp_path.glob("_runs/*"))


def test_what_no_further_try_cures_leaves_nothing(tmp_path):
    first, second = new_run_id(), new_run_id()
    publish(tmp_path, first, [piece_of(tmp_path, first, rows_of("a", 0, 5))])
    pieces = [piece_of(tmp_path, second, rows_of("b", 0, 3).drop_columns(["label"]))]
    for _ in range(2):
        with pytest.raises(OutputError, match=r"column label .* is in its results but not in this"):
            publish(tmp_path, second, pieces, "append")
        assert not list(tmp_path.glob("_runs/*"))


def test_a_run_that_is_all_but_published_is_told_before_any_work(tmp_path, monkeypatch):
    run_id = new_run_id()
    pieces = [piece_of(tmp_path, run_id, rows_of("a", 0, 5))]
    with monkeypatch.context() as patch:
        patch.setattr("transforms.writing.local_folder.LocalFolder.link", fail)
        with pytest.raises(WriteError):
            publish(tmp_path, run_id, pieces)
    rows = beam.Pipeline() | beam.Create([beam.Row(n=1)])
    with pytest.raises(OutputError, match=rf"holds a run that did not finish \('{run_id}'\)"):
        _ = rows | WriteResults(str(tmp_path))
    assert repair(str(tmp_path)) == "finished the publishing of a run that had died"
    assert read_manifest(str(tmp_path))["rows"]["written"] == 5
    assert not list(tmp_path.glob("_runs/*"))
