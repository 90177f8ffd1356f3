import errno
import os
from pathlib import Path

import pytest

from transforms.errors import InputError
from transforms.files import match
from transforms.storage.globs import is_hidden, regex


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fill(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)


def found(pattern: str) -> list[str]:
    return [file.path for file in match(pattern)]


@pytest.mark.parametrize(
    "pattern", ["one/**/*.txt", "one/**", "one/**/**", "one/**.txt", "one/**/**/*.txt"]
)
def test_a_link_to_its_own_folder_gives_every_file_once(pattern):
    fill("one/a.txt", "one/x/b.txt")
    os.symlink(".", "one/self")
    os.symlink("..", "one/x/up")
    assert found(pattern) == ["one/a.txt", "one/x/b.txt"]


@pytest.mark.parametrize("pattern", ["**", "**/*.txt", "*/*.txt", "*/a*"])
@pytest.mark.parametrize("link", ["0-latest", "latest"])
def test_a_folder_with_links_beside_it_goes_by_its_own_name(pattern, link):
    fill("2024/a.txt")
    os.symlink("2024", link)
    assert found(pattern) == ["2024/a.txt"]


def test_what_only_a_link_leads_to_is_found(folder):
    fill("elsewhere/x/a.txt", "in/b.txt")
    os.symlink("../elsewhere/x", "in/link")
    assert found("in/**") == ["in/b.txt", "in/link/a.txt"]
    assert found("in/link") == ["in/link/a.txt"]
    assert found("in/link/*") == ["in/link/a.txt"]


def test_what_jobs_leave_unfinished_stays_out():
    fill("a.parquet", "_temporary/0/b.parquet", ".checkpoints/c.parquet", "_delta_log/0.json")
    fill("_spark_metadata/0", "x/_SUCCESS", "x/_metadata", "x/.part.crc", "x/d.parquet._COPYING_")
    fill("x/_day=1/e.parquet", "x/y/_z/f.parquet")
    assert found("**") == ["a.parquet", "x/_day=1/e.parquet"]
    assert found("**/*.parquet") == ["a.parquet", "x/_day=1/e.parquet"]
    assert found("x/*/*.parquet") == ["x/_day=1/e.parquet"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("_temporary/0/*.txt", ["_temporary/0/a.txt"]),
        ("_temporary/**", ["_temporary/0/a.txt"]),
        ("_*/0/*", ["_temporary/0/a.txt"]),
        (".x", [".x/b.txt"]),
        (".*/*", [".x/b.txt"]),
        ("**/_c.txt", ["y/_c.txt"]),
        ("y/_*", ["y/_c.txt"]),
    ],
)
def test_what_is_hidden_is_found_where_its_name_is_spelled_out(pattern, names):
    fill("_temporary/0/a.txt", ".x/b.txt", "y/_c.txt", "y/d.txt")
    assert found(pattern) == names


@pytest.mark.parametrize(
    "pattern",
    ["data [1]/**/*.txt", "data [1]/**", "data [1]/sub", "data [1]/*/a.txt", "*[[]1]/*/*.txt"],
)
def test_a_folder_with_brackets_is_itself(pattern):
    fill("data [1]/sub/a.txt", "data 1/sub/a.txt")
    assert found(pattern) == ["data [1]/sub/a.txt"]


def test_a_folder_of_partitions_stands_for_the_files_in_them():
    fill("t/y=1/m=2/a.txt", "t/y=2/b.txt", "t/y=2/_x/c.txt", "t/_y=3/d.txt", "t/z/e.txt")
    fill("t/y=2/z/f.txt", "t/_SUCCESS", "t/.y=4/g.txt")
    assert found("t") == ["t/_y=3/d.txt", "t/y=1/m=2/a.txt", "t/y=2/b.txt"]


def test_a_folder_with_files_beside_its_partitions_is_told_with_the_ways_out():
    fill("t/y=1/m=2/a.txt", "t/direct.txt", "t/_SUCCESS", "u/z/a.txt", "u/y=1/_x/a.txt", "u/b.txt")
    with pytest.raises(
        InputError, match=r"'t' has files .* write 't/\*\*' .*, or 't/\*' for those"
    ):
        found("t")
    assert found("t/*") == ["t/direct.txt"]
    assert found("t/**") == ["t/direct.txt", "t/y=1/m=2/a.txt"]
    assert found("u") == ["u/b.txt"]


def test_a_set_is_a_set_where_no_such_name_exists():
    fill("data 1/sub/a.txt", "data 2/sub/a.txt", "data 3/sub/a.txt")
    assert found("data [12]/**") == ["data 1/sub/a.txt", "data 2/sub/a.txt"]
    assert found("data [!1-2]/**") == ["data 3/sub/a.txt"]


@pytest.mark.parametrize("name", ["only [1]", "what?", "a*b", "[", "x]"])
def test_the_hint_for_a_folder_of_folders_works_when_typed(name):
    fill(f"{name}/sub/a.txt", "other/sub/a.txt")
    with pytest.raises(InputError) as refused:
        match(name)
    proposed = str(refused.value).rpartition("write ")[2].strip("'")
    assert found(proposed) == [f"{name}/sub/a.txt"]


def test_the_hint_for_a_glob_of_folders_works_when_typed():
    fill("x/1/a.txt", "x/2/a.txt")
    for pattern in ("x/*", "x/*/"):
        with pytest.raises(InputError, match="only folders; to read the files in them") as refused:
            match(pattern)
        proposed = str(refused.value).rpartition("write ")[2].strip("'")
        assert found(proposed) == ["x/1/a.txt", "x/2/a.txt"]


def test_a_folder_that_cannot_be_listed_is_told_and_not_left_out(monkeypatch):
    fill("a.txt", "closed/b.txt")
    scan = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):  # root may list every folder
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    for pattern in ("**", "closed", "*/*.txt"):
        with pytest.raises(InputError, match="no permission to list the folder 'closed'"):
            match(pattern)


def test_a_link_to_itself_is_no_folder_to_look_into():
    fill("a.txt")
    os.symlink("loop", "loop")
    assert found("**/*.txt") == ["a.txt"]


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("*", "a\nb", True),
        ("*", "_a", False),
        ("?a", "_a", False),
        ("[_a]*", "_a", False),
        ("_*", "_a", True),
        ("a[]]b", "a]b", True),
        ("a[!]]b", "a]b", False),
        ("a[", "a[", True),
        ("a[!", "a[!", True),
        ("a[^b]", "a^", True),
        ("a[+-9]b", "a/b", False),
        ("a[&&~|]", "a&", True),
        ("a\\b*", "a\\bc", True),
        ("**", "a", True),
        ("**", "a/b/c", True),
        ("**", "a/_b/c", False),
        ("**", "a/_b=1/c", True),
        ("**/b", "b", True),
        ("a**", "ab/c/d", True),
        ("a**", "ab/_c/d", False),
        ("**.txt", "a/b.txt", True),
        ("**.txt", "_a/b.txt", False),
        ("x/*", "x/a/b", False),
    ],
)
def test_what_a_pattern_matches(pattern, path, matches):
    assert (regex(pattern.split("/")).match(path) is not None) == matches


def test_a_range_that_runs_backwards_is_an_error():
    with pytest.raises(InputError, match=r"'a\[z-a\]' is no pattern: bad character range z-a"):
        match("a[z-a]")


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        (".a", True), ("_a", True), ("_a=1", False), ("a", False), ("a._COPYING_", True),
        ("_SUCCESS", True), ("a_", False),
    ],
)  # fmt: skip
def test_what_is_hidden(name, hidden):
    assert is_hidden(name) == hidden
