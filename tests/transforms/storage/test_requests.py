"""How often a bucket is asked: counted, and that many requests wait together."""

import io
import json
import random
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import RunError
from tests.faults import null_run as null_runs
from tests.faults.null_run import null_run
from tests.storage_proxy import StorageProxy
from tests.transforms.reading.reading import COMPRESS, Found
from transforms.files import CorpusFile, hold, open_binary
from transforms.progress import RunProgress
from transforms.read import _All, _ReadUnit
from transforms.reading import units
from transforms.reading.corpus import Corpus, find_files, plan_corpus
from transforms.reading.units import plan_units, read_unit
from transforms.storage import stores
from transforms.unit_batch import Reading, UnitBatch
from transforms.versions import ChangedInputError, with_fingerprints
from transforms.writing.folder import open_folder

FILES = 12
A_RUN = 8  # requests that a run makes however many files there are: it lists, and looks around


@pytest.fixture(params=["gcs", "s3"])
def proxy(request) -> StorageProxy:
    return request.getfixturevalue(f"{request.param}_proxy")


@pytest.fixture
def bucket(request, proxy: StorageProxy) -> str:
    return request.getfixturevalue(f"{request.node.callspec.params['proxy']}_bucket")


def put(path: str, content: bytes) -> None:
    folder, _, name = path.rpartition("/")
    open_folder(folder).write_whole(name, content)


def parquet(texts: list[str], **options) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": texts}), sink, **options)
    return sink.getvalue()


def as_lines(texts: list[str]) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


CONTENTS = {
    "txt": as_lines,
    "txt.gz": lambda texts: COMPRESS["gz"](as_lines(texts)),
    "txt.zst": lambda texts: COMPRESS["zst"](as_lines(texts)),
    "txt.bz2": lambda texts: COMPRESS["bz2"](as_lines(texts)),
    "csv": lambda texts: as_lines(["text", *texts]),
    "jsonl": lambda texts: as_lines([json.dumps({"text": text}) for text in texts]),
    "parquet": parquet,
}


def texts_of(number: int) -> list[str]:
    return [f"row {row} of {number}" for row in range(5)]


@pytest.mark.parametrize("extension", CONTENTS)
def test_a_small_file_costs_three_requests_at_most(proxy, bucket, tmp_path, extension):
    for number in range(FILES):
        put(f"{bucket}/in/{number:02}.{extension}", CONTENTS[extension](texts_of(number)))
    before = proxy.requests
    manifest = null_run([f"{bucket}/in"], str(tmp_path / "out"))
    assert proxy.requests - before <= 3 * FILES + A_RUN
    assert manifest["rows"]["written"] == 5 * FILES
    corpus = plan_corpus(find_files([f"{bucket}/in"]))
    expected = [text for number in range(FILES) for text in texts_of(number)]
    assert Found(corpus).texts == expected


@pytest.mark.parametrize("count", [1, 3])
def test_so_does_each_of_a_few_files(proxy, bucket, tmp_path, count):
    for number in range(count):
        put(f"{bucket}/in/{number:02}.csv", CONTENTS["csv"](texts_of(number)))
    before = proxy.requests
    null_run([f"{bucket}/in"], str(tmp_path / "out"))
    assert proxy.requests - before <= 3 * count + A_RUN


def test_a_file_of_parquet_of_megabytes_is_read_once_beside_its_footer(proxy, bucket, tmp_path):
    content = parquet([f"{number * 2654435761 % 2**32:x}" * 4 for number in range(30_000)])
    assert 300_000 < len(content) < 4 << 20
    for number in range(FILES):
        put(f"{bucket}/in/{number:02}.parquet", content)
    before = proxy.requests
    null_run([f"{bucket}/in"], str(tmp_path / "out"))
    assert proxy.requests - before <= 3 * FILES + A_RUN


def test_parts_of_a_large_file_are_read_alone(proxy, bucket):
    texts = [f"a rather long line, number {number}" for number in range(300_000)]
    put(f"{bucket}/in/a.txt", as_lines(texts))
    files = find_files([f"{bucket}/in/a.txt"])
    before = proxy.requests
    corpus = plan_corpus(files)
    assert proxy.requests - before == 3  # its beginning, middle and end
    before = proxy.requests
    found = Found(corpus, unit_bytes=3 << 20)
    assert found.texts == texts
    assert proxy.requests - before <= 6


def test_files_are_planned_and_read_many_at_a_time(proxy, bucket):
    for number in range(FILES):
        put(f"{bucket}/in/{number:02}.csv", CONTENTS["csv"](texts_of(number)))
    proxy.delay = 0.1
    try:
        files = with_fingerprints(find_files([f"{bucket}/in"]))
        proxy.most_at_once = 0
        corpus = plan_corpus(files)
        assert proxy.most_at_once >= FILES // 2
        proxy.most_at_once = 0
        assert len(Found(corpus).rows) == 5 * FILES
        assert 3 <= proxy.most_at_once <= 8
    finally:
        proxy.delay = 0.0


def test_a_limit_does_not_fetch_what_it_does_not_read(proxy, bucket):
    for number in range(FILES * 2):
        put(f"{bucket}/in/{number:02}.txt", as_lines(texts_of(number)))
    corpus = plan_corpus(find_files([f"{bucket}/in"]))
    (unit,) = plan_units(corpus, limit=3)
    before = proxy.requests
    assert sum(batch.num_rows for _, batch in read_unit(corpus, unit)) == 3
    assert proxy.requests - before <= 16


def test_a_listing_of_many_pages_gives_every_file_once(gcs_proxy, gcs_bucket):
    for number in range(25):
        put(f"{gcs_bucket}/in/{number:02}.txt", b"x\n")
    gcs_proxy.page = 10
    try:
        before = gcs_proxy.requests
        files = find_files([f"{gcs_bucket}/in/*.txt"])
        assert gcs_proxy.requests - before == 5  # is there such a file, one page too much, three
        assert [file.path[-6:] for file in files] == [f"{number:02}.txt" for number in range(25)]
    finally:
        gcs_proxy.page = 1000


def test_a_path_is_asked_for_once_before_it_is_read(proxy, bucket):
    put(f"{bucket}/a.bin", b"abc")
    before = proxy.requests
    with open_binary(f"{bucket}/a.bin") as file:
        assert file.read() == b"abc"
    assert proxy.requests - before == 2


def test_a_file_with_its_version_is_not_asked_for(proxy, bucket):
    put(f"{bucket}/a.bin", b"abc")
    (file,) = find_files([f"{bucket}/a.bin"])
    before = proxy.requests
    with open_binary(file) as stream:
        assert stream.read() == b"abc"
    assert proxy.requests - before == 1
    with open_binary(CorpusFile(file.path, 2, file.version)) as stream:
        assert stream.read() == b"ab"


def test_parts_get_their_names_many_at_a_time_and_go_a_hundred_at_once(proxy, bucket):
    folder = open_folder(bucket)
    staged = [f"_runs/parts/{number:03}" for number in range(120)]
    for name in staged:
        folder.write_whole(name, name.encode())
    names = {f"part-{number:03}": name for number, name in enumerate(staged)}
    before, proxy.delay, proxy.most_at_once = proxy.requests, 0.1, 0
    try:
        folder.link(names)
    finally:
        proxy.delay = 0.0
    assert proxy.requests - before == len(names)
    assert 16 <= proxy.most_at_once <= 32
    assert folder.files().keys() == names.keys()
    before = proxy.requests
    assert [folder.read(name) for name in names] == [name.encode() for name in staged]
    assert proxy.requests - before == len(names)
    before = proxy.requests
    folder.remove_tree("_runs/parts")
    assert proxy.requests - before <= 4  # a listing, and what Amazon's has of unfinished uploads
    assert folder.files("_runs/parts") == {}
    folder.remove([*names, "part-000"])  # one is gone when it is its turn again
    assert folder.files() == {}


@pytest.mark.parametrize(("start", "stop"), [(0, 70_000), (130_000, 200_000), (50_000, 60_000)])
def test_bytes_at_hand_and_bytes_that_are_fetched_make_one_file(proxy, bucket, start, stop):
    content = random.Random(0).randbytes(200_000)
    put(f"{bucket}/a.bin", content)
    (file,) = find_files([f"{bucket}/a.bin"])
    held = hold(file, start, stop)
    before = proxy.requests
    with open_binary(held) as stream:
        stream.seek(start)
        assert stream.read(stop - start) == content[start:stop]
    assert proxy.requests == before
    generator = random.Random(1)
    with open_binary(held) as stream:
        assert stream.read() == content
        for _ in range(20):
            place, size = generator.randrange(len(content)), generator.randrange(100_000)
            stream.seek(place)
            assert stream.read(size) == content[place : place + size]


def read_first_unit(corpus: Corpus) -> Iterator[UnitBatch]:
    (unit,) = plan_units(corpus)
    return _ReadUnit(corpus, _All(corpus, None), RunProgress()).process((unit, Reading()))


@pytest.mark.parametrize("how", ["changed after the run was planned", "was removed"])
@pytest.mark.parametrize(
    ("extension", "count"), [("txt", 12), ("csv", 2), ("txt.gz", 2), ("parquet", 2)]
)
def test_a_file_that_is_another_when_it_is_opened_ends_the_run(bucket, extension, how, count):
    for number in range(count):
        put(f"{bucket}/in/{number:02}.{extension}", CONTENTS[extension](texts_of(number)))
    corpus = plan_corpus(find_files([f"{bucket}/in"]))
    name = f"in/01.{extension}"
    if how == "was removed":
        open_folder(bucket).remove([name])
    else:
        put(f"{bucket}/{name}", CONTENTS[extension](["other"]))
    with pytest.raises(ChangedInputError, match=rf"01.{extension}' {how}.*nothing is published"):
        list(read_first_unit(corpus))


@pytest.mark.parametrize("how", ["changed after the run was planned", "was removed"])
def test_a_file_that_becomes_another_while_it_is_read_ends_the_run(bucket, monkeypatch, how):
    monkeypatch.setattr(stores, "_READ_BYTES", 64 << 10)
    monkeypatch.setattr(units, "_AHEAD_BYTES", 0)
    content = as_lines([f"a rather long line, number {number}" for number in range(200_000)])
    put(f"{bucket}/a.txt", content)
    batches = read_first_unit(plan_corpus(find_files([f"{bucket}/a.txt"])))
    assert next(batches).rows.num_rows > 0
    if how == "was removed":
        open_folder(bucket).remove(["a.txt"])
    else:
        put(f"{bucket}/a.txt", content[::-1])
    with pytest.raises(ChangedInputError, match=f"a.txt' {how}"):
        list(batches)


def test_a_file_of_which_the_text_of_another_version_has_been_fetched_is_not_written(
    bucket, tmp_path, monkeypatch
):
    for number in range(3):
        put(f"{bucket}/in/{number:02}.txt", as_lines(texts_of(number)))
    process = null_runs._ReadUnit.process

    def change(self, unit):
        for batch in process(self, unit):
            put(f"{bucket}/in/02.txt", b"other\n")
            yield batch

    monkeypatch.setattr(null_runs._ReadUnit, "process", change)
    with pytest.raises(ChangedInputError, match=r"02.txt' changed after the run was planned"):
        null_run([f"{bucket}/in"], str(tmp_path / "out"))
    assert not (tmp_path / "out" / "_MANIFEST.json").exists()


def test_the_file_is_named_whose_turn_it_is_when_storage_fails(proxy, bucket, monkeypatch):
    monkeypatch.setattr("transforms.read.PAUSES", (0.0,))
    for number in range(FILES):
        put(f"{bucket}/in/{number:02}.txt", as_lines(texts_of(number)))
    corpus = plan_corpus(find_files([f"{bucket}/in"]))
    (unit,) = plan_units(corpus)
    reader = _ReadUnit(corpus, _All(corpus, None), RunProgress())
    proxy.fault = lambda method, path: 400 if "07.txt" in path or "09.txt" in path else None
    read: list[UnitBatch] = []
    try:
        with pytest.raises(RunError, match=r"^reading '.*/in/07.txt' failed 2 times"):
            read.extend(reader.process((unit, Reading())))
    finally:
        proxy.fault = lambda method, path: None
    found = [text for batch in read for text in batch.rows.column("text").to_pylist()]
    assert found == [text for number in range(7) for text in texts_of(number)]
