"""Publishing what workers have written, again or when something is gone."""

import pytest

from tests.transforms.writing.results import rows_of
from transforms.errors import WriteError
from transforms.rows.pieces import Destination, Piece, publish_pieces
from transforms.verification import verify
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
    assert not list(tmp_path.glob("_runs/*"))
    third = new_run_id()
    pieces = [piece_of(tmp_path, third, rows_of("c", 0, 4))]
    assert publish(tmp_path, third, pieces, "append")["rows"]["written"] == 7
