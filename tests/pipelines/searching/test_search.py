import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.inference.predictor import Predictor
from models.quantization import Ranges, from_int8, to_int8
from pipelines import embed as embed_command
from pipelines import search as search_command
from tests.models.presets.hugging_face_folders import make_folder, write, write_modules
from tests.pipelines.command_runs import ENVIRONMENT, ROOT, Run, run, run_process
from tests.pipelines.searching.conftest import LINES
from transforms.vectors.nearest import unit

QUERY = "The train was late"


def results(found: Run, query: int = 0) -> list[dict]:
    """What was found for a query, as JSON."""
    assert (found.code, found.err) == (0, ""), found.err
    return json.loads(found.out)["queries"][query]["results"]


def expected(preset: Path, query: str = QUERY, **arguments) -> np.ndarray:
    """Cosines of `LINES` with a query, float32 `[rows]`."""
    predictor = Predictor.from_preset(preset, "embed", **arguments)
    return unit(predictor(LINES)) @ unit(predictor([query]))[0]


def check(found: list[dict], scores: np.ndarray, atol: float = 1e-5) -> None:
    """Checks that all rows were found, with these scores and in their order."""
    ids = [each["row"]["id"] for each in found]
    assert sorted(ids) == list(range(len(scores)))
    np.testing.assert_allclose([each["score"] for each in found], scores[ids], atol=atol)
    assert [each["score"] for each in found] == sorted(
        (each["score"] for each in found), reverse=True
    )


# What is found


@pytest.mark.parametrize("output_format", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "binary"])
def test_rows_are_found_in_the_order_of_a_full_sort(
    embed, search, tiny_preset, output_format, dtype
):
    folder = embed(f"--embedding_dtype={dtype}", f"--output_format={output_format}")
    predictor = Predictor.from_preset(tiny_preset, "embed")
    vectors = predictor(LINES)
    if dtype == "int8":
        manifest = json.loads((folder / "_MANIFEST.json").read_text())
        ranges = Ranges.from_json(manifest["ranges"])
        vectors = from_int8(to_int8(vectors, ranges), ranges)
    elif dtype == "binary":
        vectors = np.where(vectors > 0, np.float32(1), np.float32(-1))
    scores = unit(vectors) @ unit(predictor([QUERY]))[0]
    found = results(search(folder, QUERY, "--top_k=99", "--json"))
    check(found, scores, {"float16": 1e-3, "int8": 1e-2}.get(dtype, 1e-5))


@pytest.mark.parametrize(
    ("flags", "arguments"),
    [
        (("--pooling=cls", "--normalize"), {"pooling": "cls", "normalize": True}),
        (("--dimensions=5",), {"dimensions": 5}),
        (
            ("--sequence_length=6", "--long_text=windows"),
            {"sequence_length": 6, "long_text": "windows"},
        ),
        (("--pooling=max", "--no_normalize"), {"pooling": "max", "normalize": False}),
    ],
    ids=["cls", "dimensions", "windows", "max"],
)
def test_queries_become_vectors_as_the_rows_did(embed, search, tiny_preset, flags, arguments):
    found = results(search(embed(*flags), QUERY, "--top_k=99", "--json"))
    check(found, expected(tiny_preset, **arguments))


def test_json_has_all_columns_and_several_queries(embed, search, tiny_preset):
    found = search(embed(), QUERY, "--json", "--top_k=2", "soup")
    said = json.loads(found.out)
    assert [each["query"] for each in said["queries"]] == [QUERY, "soup"]
    assert [len(each["results"]) for each in said["queries"]] == [2, 2]
    row = results(found)[0]["row"]
    assert row["text"] == LINES[row["id"]]
    assert row["tags"] == ["a", None]
    assert set(row) == {"id", "text", "tags", "source", "position", "num_tokens", "truncated"}
    assert (said["vectors"], said["without_vector"]) == (len(LINES), 0)
    assert (said["similarity"], said["prefix"]) == ("cosine", "")
    assert said["preset"] == str(tiny_preset)


def test_a_person_sees_scores_texts_and_places(embed, search):
    texts = ["short", "line\n\x1b[31mred " + "words " * 60]
    found = search(embed(texts=texts), "[bold]short[/bold]")
    lines = found.out.splitlines()
    assert lines[0] == "[bold]short[/bold]"
    assert lines[1].split() == ["score", "text", "where"]
    assert any(line.split()[1:2] == ["short"] and "texts.jsonl:0" in line for line in lines)
    assert "\x1b" not in found.out
    (cut,) = (line for line in lines if "words" in line)
    assert "…" in cut
    assert "red words words" in cut
    assert lines[-1].startswith("2 vectors of 16 × float32, ordered by cosine; preset ")


@pytest.mark.parametrize("count", [0, 1])
def test_few_rows_are_no_fault(embed, search, count):
    folder = embed(texts=["one"] if count else [None])
    assert len(results(search(folder, QUERY, "--json"))) == count
    assert search(folder, QUERY).code == 0


def test_a_finished_result_is_searched_while_another_run_is_under_way(embed, search):
    folder = embed()
    (folder / "_runs" / "20990101t000000-000000").mkdir(parents=True)
    assert len(results(search(folder, QUERY, "--json"))) == 10


# Prompts and similarities


@pytest.fixture
def prompted(tmp_path: Path):
    """Makes presets of sentence-transformers."""

    def make(width: int = 3, **config) -> Path:
        folder = make_folder(tmp_path / "bert", "bert")
        dense = {"in_features": 8, "out_features": width}
        poolings = {"pooling_mode": ["cls", "mean"]}
        write_modules(folder, ("Pooling", poolings), ("Dense", dense), ("Normalize", None))
        kernel = np.random.default_rng(0).standard_normal((width, 8)).astype(np.float32)
        arrays = {"linear.weight": kernel, "linear.bias": np.zeros(width, np.float32)}
        save_file(arrays, folder / "2_Dense" / "model.safetensors")
        write(folder, "config_sentence_transformers.json", config)
        return folder

    return make


PROMPTS = {"query": "a b ", "passage": "c "}


@pytest.mark.parametrize(
    ("flags", "prefix", "said"),
    [
        ((), "a b ", "read with the prompt query, 'a b ', the rows with 'c '"),
        (("--prompt=passage",), "c ", "read with the prompt passage, 'c '"),
        (("--prefix=d ",), "d ", "read with 'd ' before them, the rows with 'c '"),
        (("--prefix=",), "", "read with nothing before them, the rows with 'c '"),
    ],
    ids=["own", "prompt", "prefix", "none"],
)
def test_queries_get_the_presets_prompt_for_them(embed, search, prompted, flags, prefix, said):
    preset = prompted(prompts=PROMPTS, default_prompt_name="passage")
    folder = embed(preset=preset, texts=["a", "d e", "b c"])
    found = search(folder, "a d", "--json", *flags)
    assert json.loads(found.out)["prefix"] == prefix
    predictor = Predictor.from_preset(preset, "embed", prefix="")
    scores = predictor(["c a", "c d e", "c b c"]) @ predictor([f"{prefix}a d"])[0]
    check(results(found), scores)
    assert f"queries were {said}" in search(folder, "a d", *flags).out


def test_without_a_prompt_for_queries_nothing_stands_before_them(embed, search, prompted):
    preset = prompted(prompts={"passage": "c "}, default_prompt_name="passage")
    found = search(embed(preset=preset, texts=["a", "d e"]), "a d")
    assert "queries were read with nothing before them, the rows with 'c '" in found.out


def test_what_is_cut_after_its_normalization_is_so_for_queries(embed, search, prompted):
    preset = prompted(truncate_dim=2)
    texts = ["a", "d e", "b c", "e e e"]
    found = results(search(embed(preset=preset, texts=texts), "a d", "--json"))
    predictor = Predictor.from_preset(preset, "embed")
    vectors, query = predictor(texts), predictor(["a d"])
    assert not np.allclose(np.linalg.norm(vectors, axis=1), 1)
    check(found, unit(vectors) @ unit(query)[0])


@pytest.mark.parametrize("similarity", ["dot", "euclidean", "manhattan"])
def test_the_presets_similarity_orders_rows(embed, search, prompted, similarity):
    preset = prompted(similarity_fn_name=similarity)
    texts = ["a", "d e", "b c", "e e e"]
    found = search(embed("--no_normalize", preset=preset, texts=texts), "a d", "--json")
    assert json.loads(found.out)["similarity"] == similarity
    predictor = Predictor.from_preset(preset, "embed", normalize=False)
    vectors, query = predictor(texts), predictor(["a d"])
    scores = {
        "dot": vectors @ query[0],
        "euclidean": -np.linalg.norm(vectors - query, axis=1),
        "manhattan": -np.abs(vectors - query).sum(axis=1),
    }[similarity]
    check(results(found), scores)


def test_bits_are_compared_by_their_signs_whatever_the_preset_says(embed, search, prompted):
    preset = prompted(width=8, similarity_fn_name="dot")
    texts = ["a", "d e", "b c", "e e e"]
    found = search(embed("--embedding_dtype=binary", preset=preset, texts=texts), "a", "--json")
    assert json.loads(found.out)["similarity"] == "cosine"
    predictor = Predictor.from_preset(preset, "embed")
    signs = np.where(predictor(texts) > 0, np.float32(1), np.float32(-1))
    check(results(found), unit(signs) @ predictor(["a"])[0])
    out = search(found.folder / "out", "a").out
    assert "4 vectors of 8 × binary, ordered by cosine to the signs of their numbers" in out


# Stores and processes


@pytest.mark.parametrize("bucket", ["gcs_bucket", "s3_bucket"])
def test_a_result_in_a_bucket_is_searched_there(embed, search, tiny_preset, bucket, request):
    place = f"{request.getfixturevalue(bucket)}/out"
    found = run(
        embed_command.main,
        embed(),
        f"--preset={tiny_preset}",
        f"--input={embed(name='other').parent}/texts.jsonl",
        f"--output={place}",
    )
    assert found.code == 0, found.err
    check(results(search(place, QUERY, "--top_k=99", "--json")), expected(tiny_preset))
    assert "12 rows" not in search(place, "--duplicates=0.9999").out


def test_the_process_imports_no_beam_and_finds_rows(embed, tiny_preset):
    folder = embed()
    found = run_process("search", folder, str(folder), "--top_k=99", QUERY, "--json")
    check(results(found), expected(tiny_preset))
    code = (
        "import sys; from pipelines import search; "
        f"assert search.main(['{folder}', 'x']) == 0; assert 'apache_beam' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT, check=False)
    assert done.returncode == 0


# Mistakes


def test_another_preset_is_refused(embed, search, tiny_preset, tmp_path):
    folder = embed()
    shutil.copytree(tiny_preset, tmp_path / "copy")
    assert len(results(search(folder, QUERY, f"--preset={tmp_path}/copy", "--json"))) == 10
    with (tmp_path / "copy" / "config.json").open("a") as config:
        config.write(" ")
    said = search(folder, QUERY, f"--preset={tmp_path}/copy").error
    assert f"preset '{tmp_path}/copy' is not the one that made {folder}: its digest is sha" in said
    assert said.endswith("give the same with --preset, or embed the texts anew")


def test_a_preset_that_is_gone_is_told_with_what_to_do(embed, search, tiny_preset, tmp_path):
    shutil.copytree(tiny_preset, tmp_path / "moved")
    folder = embed(preset=tmp_path / "moved")
    shutil.rmtree(tmp_path / "moved")
    said = search(folder, QUERY).error
    assert f"preset '{tmp_path}/moved' is not a folder" in said
    assert said.endswith(f"{folder} was made with it: say where it is now with --preset")
    assert len(results(search(folder, QUERY, f"--preset={tiny_preset}", "--json"))) == 10


def test_labels_are_refused(classify, search, tmp_path):
    (tmp_path / "a.txt").write_text("one")
    found = classify(f"--input={tmp_path}/a.txt")
    said = search(found.folder, QUERY).error
    assert (
        said == f"{found.folder} holds no vectors that python -m pipelines.embed has written, "
        "which says there by which model they are read"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "give a query to look for, in quotes, or --duplicates=0.95 for near duplicates"),
        ([" "], "a query is empty: give the text to look for"),
        (["x", "--duplicates=0.9"], "compares rows with each other, and takes no query"),
        (["--prompt=query", "--duplicates=0.9"], "takes no --prompt"),
        (["--prefix=", "--duplicates=0.9"], "takes no --prefix"),
        (["--duplicates=1.1"], "must be above 0 and at most 1, not '1.1'"),
        (["--duplicates=0"], "must be above 0 and at most 1, not '0'"),
        (["x", "--top_k=0"], "must be a positive integer, not '0'"),
        (["x", "--prompt=a", "--prefix=b"], "not allowed with"),
        (["x", "--prompt=query"], "has no prompts, so none is named 'query'"),
        (["x", "--topk=3"], "unknown option --topk; did you mean --top_k?"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value) or "nothing",
)
def test_what_does_not_fit_is_refused(embed, search, flags, message):
    assert message in search(embed(), *flags).error


def test_queries_may_stand_between_flags(embed, search):
    found = search(embed(), "--top_k=1", "soup", "--json", "-5 degrees", "--prefix=x ")
    assert [each["query"] for each in json.loads(found.out)["queries"]] == ["soup", "-5 degrees"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["model"], None),
        (["model", "weights"], 1),
        (["model", "embedding"], {}),
        (["model", "preset"], []),
        (["settings", "text_pair_column"], ["a"]),
        (["parts", 0, "path"], "../out/part-00000-of-00001.parquet"),
        (["parts", 0, "rows"], "9"),
        (["parts", 0], {"path": "part-00000-of-00001.parquet"}),
    ],
    ids=str,
)
def test_a_manifest_that_was_changed_is_one_line(embed, search, path, value):
    folder = embed()
    file = folder / "_MANIFEST.json"
    manifest = json.loads(file.read_text())
    within = manifest
    for step in path[:-1]:
        within = within[step]
    within[path[-1]] = value
    file.write_text(json.dumps(manifest))
    found = search(folder, "late trains")
    assert found.code == 2
    assert f"{folder}/_MANIFEST.json" in found.error


@pytest.mark.parametrize("flags", [["--json"], []], ids=["json", "table"])
def test_what_cannot_be_printed_is_an_error(embed, capsys, flags):
    folder = embed()
    full = open("/dev/full", "w")  # noqa: SIM115 (it cannot be closed without an error)
    try:
        with contextlib.redirect_stdout(full):
            code = search_command.main([str(folder), "late trains", *flags])
    finally:
        with contextlib.suppress(OSError):
            full.close()
    assert code == 1
    said = "error: cannot write to standard output: No space left on device\n"
    assert capsys.readouterr().err == said
