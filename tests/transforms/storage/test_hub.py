"""Data sets of the Hugging Face Hub, which is on loopback."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.transforms.reading.reading import Found
from transforms.errors import InputError
from transforms.files import match, open_binary
from transforms.reading.corpus import find_files, plan_corpus
from transforms.versions import ChangedInputError, check_unchanged, with_fingerprints

ROOT = "hf://datasets/textbeam/news"


def parquet(*texts: str) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": texts}), sink)
    return sink.getvalue().to_pybytes()


@pytest.fixture(autouse=True)
def files(hub):
    hub.files = {
        "README.md": b"---\n",
        "data/train-0.parquet": parquet("one", "two"),
        "data/train-1.parquet": parquet("three"),
        "data/test.parquet": parquet("four"),
        "plain/a.txt": b"five\nsix",
        ".gitattributes": b"x",
    }
    return hub.files


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("/data/*.parquet", ["data/test.parquet", "data/train-0.parquet", "data/train-1.parquet"]),
        ("/data/train-*", ["data/train-0.parquet", "data/train-1.parquet"]),
        ("/**/*.txt", ["plain/a.txt"]),
        ("/plain", ["plain/a.txt"]),
        ("/plain/a.txt", ["plain/a.txt"]),
        ("/", ["README.md"]),
        ("@v1/data/test*", ["data/test.parquet"]),
        ("@refs/convert/parquet/data/test*", ["data/test.parquet"]),
        ("@refs%2Fconvert%2Fparquet/data/test*", ["data/test.parquet"]),
        ("@~parquet/data/test*", ["data/test.parquet"]),
    ],
)
def test_files_of_a_data_set_are_found(pattern, names):
    found = match(ROOT + pattern)
    root = ROOT + (pattern.partition("/data")[0] if pattern.startswith("@") else "")
    assert [file.path.removeprefix(f"{root}/") for file in found] == names


def test_rows_of_a_data_set_are_read(hub):
    found = Found(plan_corpus([f"{ROOT}/data/train-*.parquet"]))
    assert found.texts == ["one", "two", "three"]
    assert found.column("source")[0] == f"{ROOT}/data/train-0.parquet"
    assert Found(plan_corpus([f"{ROOT}/plain"])).texts == ["five", "six"]
    assert hub.headers["Authorization"] == "Bearer hf_aSecretThatIsLongEnough"


def test_the_token_stays_with_the_hub(hub):
    with open_binary(f"{ROOT}/data/test.parquet") as file:
        file.read()
    assert hub.headers["Host"].startswith("localhost")
    assert "Authorization" not in hub.headers


def test_a_file_is_known_by_its_digest(hub, files):
    found = with_fingerprints(find_files([f"{ROOT}/data", f"{ROOT}/plain"]))
    assert [file.version.partition(":")[0] for file in found] == ["sha256"] * 3 + ["git"]
    check_unchanged(found)
    files["plain/a.txt"] = b"five\nSix"
    with pytest.raises(ChangedInputError, match=r"a\.txt' changed"):
        check_unchanged(found)


def test_a_hub_that_fails_for_a_moment_is_asked_again(hub):
    hub.trouble.statuses += [503, 500]
    hub.trouble.drops += [2]
    assert Found(plan_corpus([f"{ROOT}/plain/a.txt"])).texts == ["five", "six"]
    assert not hub.trouble.statuses


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "hf://textbeam/news/a.txt",
            r"is no path at the Hugging Face Hub, which is hf://datasets/",
        ),
        ("hf://datasets/news/a.txt", "is no path at the Hugging Face Hub"),
        ("hf://datasets/textbeam/other/a.txt", "no data set 'textbeam/other'; if it is private"),
        (f"{ROOT}@v2/a.txt", "no revision 'v2' in this data set"),
        (f"{ROOT}/b.txt", r"no file matches"),
        (f"{ROOT}/no/*.txt", r"no file matches"),
        (f"{ROOT}/data/*.csv", r"no file matches"),
    ],
)
def test_what_is_not_there_is_an_error_in_one_line(path, said):
    with pytest.raises(InputError, match=said) as refused:
        match(path)
    assert "\n" not in str(refused.value)


def test_a_hub_that_is_not_there_is_an_error_in_one_line(hub):
    hub.stop()
    with pytest.raises(InputError, match="the hub does not answer: ") as refused:
        match(f"{ROOT}/data")
    assert "\n" not in str(refused.value)
