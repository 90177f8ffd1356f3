"""What goes to workers is small, and one model there is one model."""

import pickle
import subprocess
import sys

import apache_beam as beam
from apache_beam.internal import pickler
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from models.presets.lookup import PlannedPreset, open_preset
from tests.pipelines.fusion import RUNNERS, Planned, crossings
from tests.transforms.rows.running import PRESET, TEXTS, run
from transforms import ClassifyText, EmbedText, ReadCorpus, WriteResults
from transforms.rows.inference import infer_rows
from transforms.rows.text_model import shared_model

ARGUMENTS = (("batch_tokens", None), ("long_text", "truncate"), ("precision", "auto"))


def test_transforms_that_run_one_model_load_it_once_a_process():
    planned = PlannedPreset.of(open_preset(PRESET))
    handlers = [shared_model(planned, "tensorflow", 64, "classify", ARGUMENTS)[1] for _ in range(2)]
    assert handlers[0] is handlers[1]
    first, second = (pickler.loads(pickler.dumps(handler)).load_model() for handler in handlers)
    assert first is second


def test_what_a_worker_is_sent_is_small():
    for transform in (ClassifyText(PRESET), EmbedText(PRESET)):
        sent = pickler.dumps(infer_rows(transform._planned(), False))
        assert len(sent) < 20_000


def test_a_transform_that_is_not_asked_for_imports_nothing():
    code = (
        "import sys, transforms\n"
        "assert 'ClassifyText' in dir(transforms)\n"
        "import pipelines.classify, pipelines.embed\n"
        "print([each for each in ('apache_beam', 'pyarrow', 'keras') if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_transforms_can_be_pickled():
    assert pickle.loads(pickle.dumps(ClassifyText(PRESET, "body")))._text_columns == ("body",)


def test_two_models_over_one_reading():
    two = ClassifyText(PRESET) | EmbedText(PRESET, dimensions=4)
    rows = run([{"text": text} for text in TEXTS], two)
    assert len(rows) == len(TEXTS)
    assert all(list(row) == ["text", "label", "score", "embedding"] for row in rows)


def test_two_models_of_one_pcollection_need_no_labels():
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        texts = pipeline | beam.Create(TEXTS)
        _ = texts | ClassifyText(PRESET)
        _ = texts | EmbedText(PRESET)


def test_no_row_is_in_a_shuffle(tmp_path):
    with beam.Pipeline(runner=Planned()) as pipeline:
        labelled = pipeline | ReadCorpus("pipelines/sample/reviews.jsonl") | ClassifyText(PRESET)
        _ = labelled | WriteResults(str(tmp_path / "out"))
    for runner in RUNNERS:
        of_rows = {"ReadCorpus/Files/Units", "ReadCorpus/Files/Spread"}
        crossing = crossings(Planned.pipeline, runner)
        assert {"WriteResults/Run", "WriteResults/Write"} <= crossing
        rest = crossing - {"WriteResults/Run", "WriteResults/Write"}
        assert all(name.startswith(tuple(of_rows)) for name in rest)
