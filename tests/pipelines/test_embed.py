import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from models.inference.predictor import Predictor
from models.presets.embedding import POOLINGS
from models.presets.lookup import open_preset
from pipelines import embed as embed_command
from tests.models.presets.hugging_face_folders import make_folder, write, write_modules
from tests.pipelines.command_runs import Run, run, run_process
from tests.pipelines.conftest import TEXTS

WIDTH = 16
LONG = " ".join(TEXTS)


@pytest.fixture
def embed(tiny_preset: Path, tmp_path: Path) -> Callable[..., Run]:
    """Runs the command in this process over `TEXTS` and a long one."""
    lines = [json.dumps({"id": i, "text": text}) for i, text in enumerate([*TEXTS, LONG])]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))

    def run_embed(*flags: str) -> Run:
        folder = tmp_path / "out"
        given = (f"--input={tmp_path}/texts.jsonl", f"--output={folder}")
        return run(embed_command.main, folder, f"--preset={tiny_preset}", *given, *flags)

    return run_embed


@pytest.fixture
def vectors(tiny_preset: Path) -> Callable[..., np.ndarray]:
    """The vectors that the predictor gives without Beam."""

    def make(texts=(*TEXTS, LONG), **arguments) -> np.ndarray:
        return Predictor.from_preset(tiny_preset, "embed", **arguments)(texts)

    return make


def embeddings(found: Run) -> np.ndarray:
    column = found.table.column("embedding").combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), -1)


# The column


def test_every_row_gets_the_vector_of_the_predictor(embed, vectors):
    found = embed()
    assert (found.code, found.err) == (0, "")
    assert found.table.column_names == [
        *("id", "text", "source", "position", "num_tokens", "truncated", "embedding")
    ]
    assert found.column("id") == list(range(len(TEXTS) + 1))
    type_ = found.table.schema.field("embedding").type
    assert (type_.list_size, type_.value_type) == (WIDTH, pa.float32())
    np.testing.assert_allclose(embeddings(found), vectors(), atol=1e-5)


def test_flags_say_how_texts_become_vectors(embed, vectors):
    found = embed("--pooling=cls", "--normalize", "--dimensions=5", "--embedding_dtype=float16")
    expected = vectors(pooling="cls", normalize=True, dimensions=5)
    assert found.table.schema.field("embedding").type.value_type == pa.float16()
    np.testing.assert_allclose(embeddings(found), expected, atol=2e-3)
    assert embeddings(found).shape == (len(TEXTS) + 1, 5)


def test_the_command_knows_the_poolings_that_there_are():
    actions = embed_command.make_parser()._option_string_actions
    assert actions["--pooling"].choices == POOLINGS


def test_a_prefix_is_read_by_the_model_and_not_written(embed, vectors):
    found = embed("--prefix=The soup ")
    expected = vectors([f"The soup {text}" for text in [*TEXTS, LONG]])
    np.testing.assert_allclose(embeddings(found), expected, atol=1e-5)
    assert found.column("text") == [*TEXTS, LONG]


def test_a_long_text_is_cut_or_read_in_windows(embed, vectors):
    cut = embed("--sequence_length=24", "--normalize")
    beginnings, num_tokens = embeddings(cut), cut.column("num_tokens")
    expected = vectors(sequence_length=24, normalize=True)
    np.testing.assert_allclose(beginnings, expected, atol=1e-5)
    assert cut.column("truncated") == [False] * len(TEXTS) + [True]
    whole = embed(
        "--sequence_length=24", "--normalize", "--long_text=windows", "--if_exists=overwrite"
    )
    expected = vectors(sequence_length=24, normalize=True, long_text="windows")
    np.testing.assert_allclose(embeddings(whole), expected, atol=1e-5)
    assert not np.allclose(embeddings(whole)[-1], beginnings[-1], atol=1e-2)
    np.testing.assert_allclose(np.linalg.norm(embeddings(whole), axis=1), 1, atol=1e-5)
    assert whole.column("num_tokens") == num_tokens
    assert whole.column("truncated") == [False] * (len(TEXTS) + 1)
    assert whole.manifest["rows"]["truncated"] == 0
    assert "24 tokens a window" in whole.out


def test_pairs_are_embedded_as_pairs(tiny_preset, vectors, tmp_path):
    rows = [{"a": text, "b": LONG} for text in TEXTS]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    flags = ("--text_column=a", "--text_pair_column=b", "--long_text=windows")
    flags = (*flags, f"--input={tmp_path}/pairs.jsonl", f"--output={tmp_path}/out")
    preset = f"--preset={tiny_preset}"
    found = run(embed_command.main, tmp_path / "out", preset, *flags, "--sequence_length=48")
    predictor = Predictor.from_preset(tiny_preset, "embed", sequence_length=48, long_text="windows")
    expected = predictor(TEXTS, [LONG] * len(TEXTS))
    np.testing.assert_allclose(embeddings(found), expected, atol=1e-5)


def test_rows_stay_in_the_order_of_their_file(tiny_preset, tmp_path):
    texts = [f"{TEXTS[i % 10]} {i}" for i in range(5_000)]
    (tmp_path / "a.txt").write_text("\n".join(texts))
    flags = (f"--preset={tiny_preset}", f"--input={tmp_path}/a.txt", f"--output={tmp_path}/out")
    assert run(embed_command.main, tmp_path / "out", *flags).column("text") == texts


# Prompts and modules


@pytest.fixture
def prompted(tmp_path: Path) -> Path:
    """A preset of sentence-transformers with two poolings, a dense layer and prompts."""
    folder = make_folder(tmp_path / "bert", "bert")
    dense = {"in_features": 8, "out_features": 3}
    poolings = {"pooling_mode": ["cls", "mean"]}
    write_modules(folder, ("Pooling", poolings), ("Dense", dense), ("Normalize", None))
    arrays = {"linear.weight": np.eye(3, 8, dtype=np.float32), "linear.bias": np.zeros(3)}
    save_file(arrays, folder / "2_Dense" / "model.safetensors")
    prompts = {"query": "a b ", "passage": "c "}
    config = {"prompts": prompts, "default_prompt_name": "passage"}
    write(folder, "config_sentence_transformers.json", config)
    return folder


@pytest.fixture
def embed_prompted(prompted: Path, tmp_path: Path) -> Callable[..., Run]:
    (tmp_path / "texts.txt").write_text("a\nd e\n")
    given = (f"--preset={prompted}", f"--input={tmp_path}/texts.txt", f"--output={tmp_path}/out")
    return lambda *flags: run(embed_command.main, tmp_path / "out", *given, *flags)


@pytest.mark.parametrize(
    ("flags", "prefix"),
    [
        ((), "c "),
        (("--prompt=query",), "a b "),
        (("--prefix=d ",), "d "),
        (("--prefix=",), ""),
    ],
)
def test_what_stands_before_texts_is_the_presets_default_or_what_is_asked_for(
    embed_prompted, prompted, flags, prefix
):
    found = embed_prompted(*flags)
    predictor = Predictor.from_preset(prompted, "embed", prefix="")
    np.testing.assert_allclose(
        embeddings(found), predictor([f"{prefix}a", f"{prefix}d e"]), atol=1e-6
    )
    assert found.column("text") == ["a", "d e"]
    facts = found.manifest["model"]["embedding"]
    assert (facts["prefix"], facts["pooling"]) == (prefix, "cls+mean")


def test_the_summary_tells_modules_and_the_prompt(embed_prompted):
    said = embed_prompted("--prompt=query").out
    assert "3 × float32, cls+mean pooling, Dense 8→3 tanh, normalized" in said
    assert "prompt   query: 'a b '" in said
    assert "prompt   'c '" in embed_prompted("--if_exists=overwrite").out
    assert "prompt" not in embed_prompted("--prefix=", "--if_exists=overwrite").out


def test_vectors_with_another_prompt_cannot_be_appended(embed_prompted):
    assert embed_prompted().code == 0
    assert "made with prefix c , this run has a b " in (
        embed_prompted("--prompt=query", "--if_exists=append").error
    )
    assert embed_prompted("--prompt=passage", "--if_exists=append").code == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--prompt=document"], "has no prompt 'document'; it has query, passage"),
        (["--prompt=query", "--prefix=x"], "not allowed with"),
        (["--pooling=mean"], "not fit the pooling 'mean' (2_Dense takes vectors of 8 numbers, not"),
        (["--dimensions=4"], "vectors of 3 dimensions: cannot keep 4"),
    ],
)
def test_what_the_preset_cannot_do_is_refused_before_any_work(embed_prompted, flags, message):
    found = embed_prompted(*flags)
    assert message in found.error
    assert not found.folder.exists()


# Other readers


def test_duckdb_reads_vectors_of_a_fixed_size(embed):
    duckdb = pytest.importorskip("duckdb")
    found = embed("--normalize")
    rows = duckdb.sql(
        f"select id, array_cosine_similarity(embedding::float[{WIDTH}], first) as similarity "
        f"from (select *, first(embedding::float[{WIDTH}]) over (order by id) as first "
        f"from '{found.folder}/*.parquet') order by id"
    ).fetchall()
    expected = embeddings(found) @ embeddings(found)[0]
    np.testing.assert_allclose([similarity for _, similarity in rows], expected, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_polars_reads_vectors_of_a_fixed_size(embed, dtype):
    pl = pytest.importorskip("polars")
    found = embed(f"--embedding_dtype={dtype}")
    table = pl.read_parquet(found.parts[0])
    assert isinstance(table.schema["embedding"], pl.Array)
    assert table.schema["embedding"].shape == (WIDTH,)
    np.testing.assert_array_equal(table["embedding"].to_numpy(), embeddings(found))


# What is said of a run


def test_metadata_and_manifest_tell_how_vectors_were_made(embed, tiny_preset):
    found = embed("--dimensions=4", "--no_normalize", "--prefix=Query: ", "--long_text=windows")
    metadata = pq.ParquetFile(found.parts[0]).metadata.metadata
    settings = {
        "weights": open_preset(tiny_preset).digest,
        "sequence_length": "128",
        "long_text": "windows",
        "pooling": "mean",
        "normalize": "False",
        "dimensions": "4",
        "embedding_dtype": "float32",
        "prefix": "Query: ",
    }
    assert {name: metadata[name.encode()].decode() for name in settings} == settings
    assert found.manifest["command"] == "embed"
    model = found.manifest["model"]
    assert model["embedding"] == {
        "pooling": "mean",
        "normalize": False,
        "dimensions": 4,
        "embedding_dtype": "float32",
        "prefix": "Query: ",
        "prompt": None,
        "modules": [],
    }
    assert (model["long_text"], model["sequence_length"]) == ("windows", 128)
    assert "labels" not in found.manifest


def test_the_summary_tells_rows_speed_and_the_size_of_vectors(embed):
    said = embed("--normalize").out
    assert said.startswith("11 rows embedded in ")
    assert "rows/s" in said
    assert "tokens/s" in said
    assert f"vectors  {WIDTH} × float32, mean pooling, normalized" in said


def test_vectors_made_otherwise_cannot_be_appended(embed):
    assert embed().code == 0
    assert "made with pooling mean, this run has max" in (
        embed("--pooling=max", "--if_exists=append").error
    )
    assert "made with prefix" in embed("--prefix=x ", "--if_exists=append").error
    again = embed("--if_exists=append")
    assert (again.code, again.manifest["rows"]["written"]) == (0, 2 * (len(TEXTS) + 1))


def test_without_an_input_the_sample_is_embedded(tiny_preset, tmp_path):
    flags = (f"--preset={tiny_preset}", f"--output={tmp_path}/out", "--limit=5")
    assert run(embed_command.main, tmp_path / "out", *flags).table.num_rows == 5


# Mistakes


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--pooling=sum"], "invalid choice: 'sum' (choose from"),
        (["--dimensions=17"], "vectors of 16 dimensions: cannot keep 17"),
        (["--dimensions=0"], "must be a positive integer, not '0'"),
        (["--embedding_dtype=int4"], "invalid choice: 'int4'"),
        (["--normalize", "--no_normalize"], "not allowed with"),
        (["--preset="], "--preset must not be empty"),
        (["--threshold=1"], "unknown option --threshold"),
        (["--long_text=windows", "--sequence_length=2"], "at least 3 is needed"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(embed, flags, message):
    found = embed(*flags)
    assert message in found.error
    assert not found.folder.exists()


def test_a_pooler_that_a_family_lacks_is_refused(tmp_path):
    from models import DistilBertBackbone

    DistilBertBackbone(40, 1, 1, 4, 4).save_to_preset(tmp_path / "preset")
    (tmp_path / "a.txt").write_text("x")
    flags = (f"--preset={tmp_path}/preset", f"--input={tmp_path}/a.txt", "--pooling=pooled")
    found = run(embed_command.main, tmp_path / "out", *flags, f"--output={tmp_path}/out")
    assert "no pooler for the pooling 'pooled'; choose from cls, mean, max" in found.error
    assert not found.folder.exists()


def test_pairs_are_refused_where_keras_hub_packs_them_otherwise(tmp_path):
    from models.presets.preset import EmbeddingSettings
    from tests.models.family_cases import case, embedder_of

    family = case("xlm_roberta")
    preprocessor = family.ours("Preprocessor")(family.tokenizer, 24)
    backbone = family.ours("Backbone")(**family.config)
    embedder_of(backbone, preprocessor, EmbeddingSettings()).save_to_preset(tmp_path / "preset")
    (tmp_path / "a.csv").write_text("text,other\na,b\n")
    flags = [f"--preset={tmp_path}/preset", f"--input={tmp_path}/a.csv", f"--output={tmp_path}/out"]
    found = run(embed_command.main, tmp_path / "out", *flags, "--text_pair_column=other")
    assert "this preset makes no vectors of pairs" in found.error
    assert not found.folder.exists()
    assert run(embed_command.main, tmp_path / "out", *flags).table.num_rows == 1


def test_without_arguments_the_sample_reviews_get_vectors_and_are_found(tmp_path):
    found = run_process(
        "embed", tmp_path / "sample_vectors", cwd=tmp_path, TEXTBEAM_CACHE="/dev/null"
    )
    assert (found.code, found.err) == (0, "")
    assert found.table.num_rows == 200
    lengths = np.linalg.norm(embeddings(found), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)
    search = run_process("search", tmp_path, str(found.folder), "a quiet room to sleep in")
    assert search.code == 0
    assert "200 vectors of 384" in search.out
