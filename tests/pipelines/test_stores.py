"""The command with corpora that are not on this machine, and results in Amazon S3."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import classify as classify_command
from pipelines import embed as embed_command
from pipelines import verify as verify_command
from tests.pipelines.command_runs import Run, run
from tests.pipelines.conftest import TEXTS
from tests.transforms.storage.file_servers import WebServer
from transforms.writing.folder import open_folder
from transforms.writing.manifest import read_manifest


@pytest.fixture
def bucket(s3_bucket):
    """A folder in S3."""
    return open_folder(s3_bucket)


@pytest.fixture
def web():
    server = WebServer({"reviews.txt": "\n".join(TEXTS).encode()})
    yield server
    server.stop()


def rows_in(output: str) -> list[dict]:
    folder = open_folder(output)
    parts = [name for name in sorted(folder.files()) if name.startswith("part-")]
    tables = [pq.read_table(pa.BufferReader(folder.read(name))) for name in parts]
    return pa.concat_tables(tables).to_pylist()


def test_a_corpus_in_s3_becomes_a_result_in_s3(tiny_preset, bucket, tmp_path):
    bucket.write_whole("in/a.txt", "\n".join(TEXTS[:6]).encode())
    bucket.write_whole("in/b.txt", "\n".join(TEXTS[6:]).encode())
    output = f"{bucket.path}/out"

    def classify(*flags: str) -> Run:
        given = (f"--preset={tiny_preset}", f"--input={bucket.path}/in/*.txt", f"--output={output}")
        return run(classify_command.main, tmp_path, *given, *flags)

    found = classify()
    assert (found.code, found.err) == (0, "")
    rows = rows_in(output)
    assert [row["text"] for row in rows] == TEXTS
    assert {row["source"] for row in rows} == {
        f"{bucket.path}/in/{name}.txt" for name in ("a", "b")
    }
    assert "holds results already (10 rows" in classify().error
    assert "is up to date: 10 rows of 2 input files" in classify("--if_exists=update").out

    bucket.write_whole("in/b.txt", b"another")
    bucket.write_whole("in/c.txt", b"one more")
    assert classify("--if_exists=update").code == 0
    assert sorted(row["text"] for row in rows_in(output)) == sorted(
        [*TEXTS[:6], "another", "one more"]
    )
    verified = run(verify_command.main, tmp_path, output, f"--input={bucket.path}/in/*.txt")
    assert (verified.code, verified.err) == (0, "")
    assert open_folder(output).files("_runs") == {}


def test_vectors_of_bytes_in_s3_keep_their_ranges(tiny_preset, bucket, tmp_path):
    bucket.write_whole("in/a.txt", "\n".join(TEXTS[:6]).encode())
    output = f"{bucket.path}/out"

    def ranges_after(*flags: str) -> dict:
        given = (f"--preset={tiny_preset}", f"--input={bucket.path}/in/*.txt", f"--output={output}")
        found = run(embed_command.main, tmp_path, "--embedding_dtype=int8", *given, *flags)
        assert (found.code, found.err) == (0, "")
        manifest = read_manifest(output)
        assert manifest is not None
        return manifest["ranges"]

    first = ranges_after()
    assert first["rows"] == 6
    bucket.write_whole("in/b.txt", "\n".join(TEXTS[6:]).encode())
    assert ranges_after("--if_exists=update") == first
    assert [row["text"] for row in rows_in(output)] == TEXTS
    assert open_folder(output).files("_runs") == {}
    assert ranges_after("--if_exists=overwrite")["rows"] == len(TEXTS)


def test_a_file_on_a_web_server_is_labelled(classify, web):
    url = f"{web.url}/reviews.txt?download=true"
    found = classify(f"--input={url}")
    assert (found.code, found.err) == (0, "")
    assert found.column("text") == TEXTS
    assert set(found.column("source")) == {url}
    assert "is up to date" in classify(f"--input={url}", "--if_exists=update").out
    web.files["reviews.txt"] = b"another"
    assert classify(f"--input={url}", "--if_exists=update").column("text") == ["another"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("https://ann:secret-word@example.com/a.txt", "'https://***@example.com/a.txt' holds a p"),
        ("s3a://b/a.txt", "scheme that is not known; did you mean 's3://'? paths are local, gs://"),
        ("az:/b/a.txt", "no such file or folder"),
        ("hf://owner/name/a.txt", "no path at the Hugging Face Hub, which is hf://datasets/owner"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_in_one_line(classify, path, said):
    found = classify(f"--input={path}")
    assert said in found.error
    assert "secret-word" not in found.error
    assert not found.folder.exists()


@pytest.mark.parametrize("output", ["https://example.com/out", "az://b/out", "hf://datasets/a/b/c"])
def test_an_output_that_cannot_be_written_safely_is_refused(tiny_preset, tmp_path, output):
    (tmp_path / "a.txt").write_text("x")
    given = (f"--preset={tiny_preset}", f"--input={tmp_path}/a.txt", f"--output={output}")
    found = run(classify_command.main, tmp_path / "out", *given)
    assert "results are written to a folder on this machine, in gs:// or in s3://" in found.error


def test_an_option_of_beam_s_own_way_to_s3_is_refused(classify, bucket):
    found = classify(f"--input={bucket.path}/in", "--s3_endpoint_url=http://localhost:1")
    assert found.error.startswith("--s3_endpoint_url has no effect on s3://… paths: set AWS_")


def test_files_that_are_not_what_their_names_say_are_refused(classify, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"\x1f\x8b\x08\0\0\0\0\0")
    found = classify(f"--input={tmp_path}/a.jsonl")
    assert f"but gzip: rename it to '{tmp_path}/a.jsonl.gz'" in found.error
    assert not found.folder.exists()


def test_a_folder_with_a_link_to_itself_is_labelled_once(classify, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("x")
    os.symlink(".", tmp_path / "in" / "self")
    assert classify(f"--input={tmp_path}/in/**").column("text") == ["x"]
