"""Workers that have nothing of this process but what a runner sends to them."""

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from models.inference.predictor import Predictor
from tests.pipelines.elsewhere.workers import Site
from tests.transforms.rows.running import PRESET, TEXTS
from transforms import ClassifyText, EmbedText, ReadCorpus, WriteResults
from transforms.verification import verify
from transforms.writing.manifest import read_manifest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


def test_a_pipeline_of_ones_own_runs_in_workers_elsewhere(site, tmp_path):
    texts = [text for text in TEXTS if text]
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    with beam.Pipeline(runner=FnApiRunner(default_environment=site.environment())) as pipeline:
        read = pipeline | ReadCorpus(str(tmp_path / "texts.txt"))
        both = read | ClassifyText(PRESET) | EmbedText(PRESET)
        _ = both | WriteResults(str(tmp_path / "read"))
        rows = pipeline | beam.Create(texts) | "rows" >> ClassifyText(PRESET)
        _ = rows | "write rows" >> WriteResults(str(tmp_path / "rows"))
    scores = dict(zip(texts, Predictor.from_preset(PRESET)(texts).max(axis=1), strict=True))
    for folder in ("read", "rows"):
        manifest = read_manifest(str(tmp_path / folder))
        assert manifest is not None
        assert manifest["rows"]["written"] == len(texts)
        assert not verify(str(tmp_path / folder)).problems
        for part in manifest["parts"]:
            for row in pq.read_table(tmp_path / folder / part["path"]).to_pylist():
                assert row["score"] == pytest.approx(scores[row["text"]], abs=1e-6)
