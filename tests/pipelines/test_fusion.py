"""No row is in a shuffle: what goes from stage to stage are units, and the names of those done."""

import json
import threading

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import execution

from pipelines import classify as classify_command
from pipelines import embed as embed_command
from tests.pipelines.command_runs import run
from tests.pipelines.conftest import TEXTS
from tests.pipelines.dataflow.stub import DataflowStub
from tests.pipelines.fusion import RUNNERS, Planned, crossings, problems_of_fusing
from transforms.writing.folder import open_folder

WORD = "quinquagenarian"
"""In every text, and in nothing else."""

VARIANTS = {
    "classify": (classify_command.main, []),
    "probabilities": (classify_command.main, ["--probabilities", "--top_k=2"]),
    "pairs": (classify_command.main, ["--text_pair_column=other"]),
    "limit": (classify_command.main, ["--limit=3"]),
    "windows": (classify_command.main, ["--long_text=windows", "--sequence_length=16"]),
    "csv": (classify_command.main, ["--output_format=csv"]),
    "embed": (embed_command.main, []),
    "float16": (embed_command.main, ["--embedding_dtype=float16"]),
    "int8": (embed_command.main, ["--embedding_dtype=int8"]),
    "binary": (embed_command.main, ["--embedding_dtype=binary"]),
}

PLANNED = f"--runner={Planned.__module__}.Planned"

UNITS = ("ReadUnits/Units", "ReadUnits/Spread")
DONE = ("WriteUnits/ToOneKey", "WriteUnits/AllUnits")


def write_texts(folder, name="a"):
    """Writes a file of texts; returns the flags by which it is read, and the folder of results."""
    rows = [{"text": f"{text} {WORD}", "other": text} for text in TEXTS]
    (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return [f"--input={folder}/*.jsonl", f"--output={folder}/out"]


@pytest.fixture(scope="module", params=VARIANTS)
def planned(request, tiny_preset, tmp_path_factory):
    """What a command would give to a runner."""
    main, flags = VARIANTS[request.param]
    folder = tmp_path_factory.mktemp("planned")
    found = run(main, folder, *write_texts(folder), f"--preset={tiny_preset}", *flags, PLANNED)
    assert "did not finish" in found.error_line
    return Planned.pipeline


def check_crossings(names):
    """Checks that the results of some steps are units, or the names of those that are done."""
    assert any(name.startswith(UNITS) for name in names)
    assert any(name.startswith(DONE) for name in names)
    assert all(name.startswith((*UNITS, *DONE, "ReadUnits/Begin")) for name in names)


@pytest.mark.parametrize("runner", RUNNERS)
def test_only_units_and_names_of_those_done_cross(planned, runner):
    check_crossings(crossings(planned, runner))


def test_nothing_keeps_a_runner_from_fusing(planned):
    assert problems_of_fusing(planned) == []


def test_an_update_is_the_same_pipeline(classify, tmp_path):
    assert classify(*write_texts(tmp_path)).code == 0
    found = classify(*write_texts(tmp_path, "b"), "--if_exists=update", PLANNED)
    assert "did not finish" in found.error_line
    assert problems_of_fusing(Planned.pipeline) == []
    for runner in RUNNERS:
        check_crossings(crossings(Planned.pipeline, runner))


def test_a_pipeline_names_no_file(classify, tmp_path):
    flags = write_texts(tmp_path, "unmistakable")
    assert "did not finish" in classify(*flags, PLANNED).error_line
    assert b"unmistakable" not in Planned.pipeline.SerializeToString()


@pytest.mark.parametrize(
    ("main", "flags"),
    [(classify_command.main, []), (embed_command.main, ["--embedding_dtype=int8"])],
    ids=["classify", "int8"],
)
def test_what_is_staged_for_dataflow_is_one_chain(main, flags, gcs_bucket, tmp_path):
    open_folder(gcs_bucket).write_whole("in/a.txt", "\n".join(TEXTS).encode())
    with DataflowStub() as stub:
        ended = threading.Thread(target=lambda: stub.wait_for_job().end("JOB_STATE_CANCELLED"))
        ended.start()
        given = (f"--input={gcs_bucket}/in/*.txt", f"--output={gcs_bucket}/out")
        run(main, tmp_path, *given, "--preset=sentiment_tiny_en", *flags, *stub.flags(gcs_bucket))
        ended.join()
        staged = stub.last.pipeline()
    assert problems_of_fusing(staged) == []
    check_crossings(crossings(staged, "dataflow"))


def test_a_side_input_would_be_found():
    pipeline = beam.Pipeline(Planned())
    side = pipeline | "Side" >> beam.Create([1])
    rows = pipeline | "Rows" >> beam.Create([2])
    _ = rows | "Both" >> beam.Map(lambda a, b: a + b, beam.pvalue.AsSingleton(side)) | beam.Map(str)
    pipeline.run()
    assert problems_of_fusing(Planned.pipeline) == ["Both has side inputs"]
    for runner in RUNNERS:
        assert any(name.startswith("Side") for name in crossings(Planned.pipeline, runner))


class TestBytes:
    """What is really written between the stages of a run on this machine."""

    @pytest.fixture
    def shuffled(self, monkeypatch):
        written: list[bytes] = []
        for kind in (execution.ListBuffer, execution.GroupingBuffer):

            def append(buffer, data, keep=kind.append):
                written.append(bytes(data))
                keep(buffer, data)

            monkeypatch.setattr(kind, "append", append)
        return written

    @pytest.mark.parametrize("variant", ["classify", "pairs", "int8"])
    def test_no_text_is_in_it(self, variant, shuffled, tiny_preset, tmp_path):
        main, flags = VARIANTS[variant]
        flags = [*write_texts(tmp_path), f"--preset={tiny_preset}", *flags]
        found = run(main, tmp_path / "out", *flags)
        assert (found.code, found.err) == (0, "")
        assert pa.concat_tables(map(pq.read_table, found.parts)).num_rows == len(TEXTS)
        assert any(b"a.jsonl" in data for data in shuffled)  # which a unit names
        assert not any(WORD.encode() in data for data in shuffled)

    def test_more_rows_are_not_more_bytes(self, classify, shuffled, tmp_path):
        sizes = []
        for times in (1, 50):
            (tmp_path / "a.txt").write_text("\n".join(TEXTS * times))
            found = classify(f"--input={tmp_path}/a.txt", "--if_exists=overwrite")
            assert found.code == 0
            sizes.append(sum(map(len, shuffled)))
            shuffled.clear()
        assert abs(sizes[1] - sizes[0]) < 20  # digits of a size
