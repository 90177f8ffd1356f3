"""Azure Blob Storage, against a server on loopback that speaks as much of its protocol."""

import pytest

pytest.importorskip("azure.storage.blob")

from tests.transforms.reading.reading import Found
from transforms.errors import InputError
from transforms.files import match, open_binary
from transforms.reading.corpus import find_files, plan_corpus
from transforms.storage import azure, stores
from transforms.versions import ChangedInputError, check_unchanged, with_fingerprints

ROOTS = ["az://texts", "abfs://texts@textbeam.dfs.core.windows.net", "abfss://texts@textbeam.x"]


@pytest.fixture(autouse=True)
def files(blobs):
    blobs.files = {
        "in/a.txt": b"one\ntwo",
        "in/b [1].txt": b"three",
        "in/_SUCCESS": b"",
        "in/x/c.txt": b"four",
        "in/_temporary/d.txt": b"no",
    }
    return blobs.files


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("", ["a.txt", "b [1].txt"]),
        ("/*.txt", ["a.txt", "b [1].txt"]),
        ("/**", ["a.txt", "b [1].txt", "x/c.txt"]),
        ("/b [1].txt", ["b [1].txt"]),
    ],
)
def test_a_container_is_matched_like_a_local_folder(root, pattern, names):
    found = match(f"{root}/in{pattern}")
    assert [file.path.removeprefix(f"{root}/in/") for file in found] == names


def test_blobs_are_read_in_ranges():
    found = Found(plan_corpus(["az://texts/in"]))
    assert found.texts == ["one", "two", "three"]
    with open_binary("az://texts/in/a.txt") as file:
        file.seek(4)
        assert file.read(2) == b"tw"
    with pytest.raises(FileNotFoundError):
        open_binary("az://texts/in/c.txt")


def test_a_blob_is_known_by_its_etag(files):
    found = with_fingerprints(find_files(["az://texts/in/**"]))
    assert all(file.fingerprint.startswith("etag:") for file in found)
    check_unchanged(found)
    files["in/a.txt"] = b"one\nTwo"
    with pytest.raises(ChangedInputError, match=r"a\.txt' changed"):
        check_unchanged(found)


def test_a_blob_that_changes_while_it_is_read_ends_the_reading(files, monkeypatch):
    monkeypatch.setattr(stores, "_READ_BYTES", 1000)
    files["in/a.txt"] = b"a" * 3000
    with open_binary("az://texts/in/a.txt") as file:
        assert file.read(1000) == b"a" * 1000
        files["in/a.txt"] = b"b" * 3000
        with pytest.raises(ChangedInputError, match=r"a\.txt' changed while it was read"):
            file.read(1000)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("az://other/a.txt", "cannot look up '.*': no such container"),
        ("az://texts", r"is no path in Azure, which is az://container/path or abfs://"),
        ("az://texts/in/*.csv", "no file matches"),
    ],
)
def test_what_is_not_there_is_an_error(path, said):
    with pytest.raises(InputError, match=said):
        match(path)


def test_without_an_account_what_to_set_is_told(monkeypatch):
    azure._service.cache_clear()
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT")
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    with pytest.raises(InputError, match="names no account: set AZURE_STORAGE_ACCOUNT or"):
        match("az://texts/in")


def test_many_blobs_are_asked_for_together_once_to_plan_and_once_to_read(blobs, caplog):
    blobs.files = {f"in/{number:03}.csv": b"text\nx\n" for number in range(200)}
    corpus = plan_corpus(find_files(["az://texts/in"]))
    assert len(blobs.sent) == 200
    assert len(Found(corpus).rows) == 200
    assert len(blobs.sent) == 400
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []
