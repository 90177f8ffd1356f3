"""The commands with jobs on Dataflow, as the stub runs them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import classify as classify_command
from pipelines import embed as embed_command
from tests.pipelines.command_runs import run
from tests.pipelines.conftest import TEXTS
from transforms.writing.folder import open_folder


def rows_in(output: str) -> list[dict]:
    folder = open_folder(output)
    parts = [name for name in sorted(folder.files()) if name.startswith("part-")]
    tables = [pq.read_table(pa.BufferReader(folder.read(name))) for name in parts]
    return pa.concat_tables(tables).to_pylist()


@pytest.mark.parametrize("main", [classify_command.main, embed_command.main])
def test_what_a_job_writes_is_what_a_run_on_this_machine_writes(
    main, working_stub, gcs_bucket, tmp_path
):
    for i in range(3):
        text = "\n".join(TEXTS[i::3]).encode()
        open_folder(gcs_bucket).write_whole(f"in/{i}.txt", text)
    given = (f"--input={gcs_bucket}/in/*.txt", "--preset=sentiment_tiny_en")
    here, there = f"{gcs_bucket}/here", f"{gcs_bucket}/there"
    assert run(main, tmp_path, *given, f"--output={here}").code == 0
    found = run(main, tmp_path, *given, f"--output={there}", *working_stub.flags(gcs_bucket))
    assert (found.code, working_stub.last.state) == (0, "JOB_STATE_DONE")
    assert len(rows_in(there)) == len(TEXTS)
    assert rows_in(there) == rows_in(here)
    assert open_folder(there).files("_runs") == {}
