from pipelines import verify
from tests.faults.null_run import null_run
from tests.pipelines.command_runs import run


def test_a_result_that_is_whole_is_one_line_and_exit_code_0(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    null_run([f"{tmp_path}/a.txt"], f"{tmp_path}/out")
    found = run(verify.main, tmp_path, f"{tmp_path}/out", f"--input={tmp_path}/a.txt")
    assert (found.code, found.err) == (0, "")
    assert found.out == (
        f"{tmp_path}/out is whole: 2 rows in 1 part, 0 rejected rows, 1 input file\n"
    )


def test_a_problem_is_a_line_each_and_exit_code_1_and_repaired_where_it_can_be(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    null_run([f"{tmp_path}/a.txt"], f"{tmp_path}/out")
    (tmp_path / "out" / "part-00001-of-00002.parquet").write_bytes(b"\x1b[31m")
    found = run(verify.main, tmp_path, f"{tmp_path}/out")
    assert found.code == 1
    assert found.out.splitlines() == [
        "part-00001-of-00002.parquet: the manifest does not list it",
        f"{tmp_path}/out is not whole: 1 problem",
    ]
    found = run(verify.main, tmp_path, f"{tmp_path}/out", "--repair")
    assert found.code == 0
    assert found.out.startswith(f"{tmp_path}/out: removed 1 that no manifest lists\n")


def test_a_flag_that_is_none_is_refused(tmp_path):
    assert "--repair" in run(verify.main, tmp_path, "out", "--repare").error


def test_a_manifest_of_another_version_is_refused_whatever_is_in_it(tmp_path):
    (tmp_path / "_MANIFEST.json").write_text('{"format_version": 1, "runs": [], "parts": ["a"]}')
    found = run(verify.main, tmp_path, str(tmp_path))
    assert found.error == (
        f"{tmp_path} has a manifest of format version 1, and this program reads version 3"
    )
