import pickle
import shutil
from pathlib import Path

import pytest

import models
from models import BertPreprocessor, BertTokenizer, Predictor, PresetError, UserError
from models.hubs import store
from models.presets import registry
from models.presets.lookup import PlannedPreset, find_preset, open_preset
from tests.models.presets.damage import PREPROCESSOR, edit


@pytest.fixture
def bundled(preset, tmp_path, monkeypatch):
    """Two presets that come with the package."""
    folder = tmp_path / "bundled"
    for name in ("sentiment_tiny_en", "topics_small_en"):
        shutil.copytree(preset, folder / name)
    monkeypatch.setattr(registry, "BUNDLED", folder)
    return folder


def test_a_bundled_preset_is_found_by_name(bundled):
    assert registry.bundled_presets() == ["sentiment_tiny_en", "topics_small_en"]
    opened = open_preset("sentiment_tiny_en")
    assert (opened.name, opened.folder) == ("sentiment_tiny_en", bundled / "sentiment_tiny_en")


def test_an_unknown_name_is_refused_with_the_choices_and_the_nearest(bundled):
    with pytest.raises(PresetError) as caught:
        open_preset("sentiment_tiny")
    message = str(caught.value)
    assert "preset 'sentiment_tiny' is not a folder, a URI or a known name" in message
    assert "did you mean 'sentiment_tiny_en'?" in message


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        ("bert_base", "'bert_base_en_uncased', 'bert_base_en_cased' or 'bert_base_zh'"),
        ("bert_tiny", "'bert_tiny_en_uncased' or 'bert_tiny_en_uncased_sst2'"),
        ("bert-base-uncased", "'bert_base_en_uncased'"),
        ("bert-base-chinese", "'bert_base_zh'"),
        ("bert-base-multilingual-cased", "'bert_base_multi_cased'"),
        ("roberta-base", "'roberta_base'"),
        ("xlm-roberta-base", "'xlm_roberta_base'"),
        ("distilbert-base-uncased", "'distil_bert_base_en_uncased'"),
        ("Bert Base En Uncased", "'bert_base_en_uncased'"),
        ("brt_base_en_uncased", "'bert_base_en_uncased'"),
        ("all-MiniLM-L6-v2", "'all_minilm_l6_v2_en'"),
        ("e5-base", "'multilingual_e5_base'"),
        (
            "sentence-transformers/all-MiniLM-L6-v2",
            "'all_minilm_l6_v2_en' or 'hf://sentence-transformers/all-MiniLM-L6-v2'",
        ),
        ("owner/name", "'hf://owner/name'"),
    ],
)
def test_a_name_from_elsewhere_or_a_part_of_one_leads_to_presets(name, likely):
    with pytest.raises(PresetError) as caught:
        open_preset(name)
    assert f"known name; did you mean {likely}? python -m pipelines" in str(caught.value)


@pytest.mark.parametrize("name", ["", "nothing-here", "gpt2", "./owner/name", "/a/b", "here/name"])
def test_of_a_name_that_is_like_no_other_nothing_is_guessed(name, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PresetError) as caught:
        open_preset(name)
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("kind", [str, Path, open_preset])
def test_a_folder_is_a_preset_as_text_path_and_opened(preset, kind):
    for loads in (BertTokenizer, BertPreprocessor):
        assert loads.from_preset(kind(preset)) is not None


# What a preset says of itself


def test_the_digest_changes_with_every_file_that_shapes_results(preset):
    digests = [open_preset(preset).digest]
    assert digests[0].startswith("sha256:")
    for file in sorted(path for path in preset.rglob("*") if path.is_file()):
        if file.name == "metadata.json":
            continue
        with file.open("ab") as stream:
            stream.write(b"\n")
        digests.append(open_preset(preset).digest)
    assert len(digests) == 9
    assert len(set(digests)) == 9


def test_the_digest_does_not_depend_on_the_folder(preset, tmp_path):
    copy = Path(shutil.copytree(preset, tmp_path / "copy"))
    (copy / "README.md").write_text("A note.")
    assert open_preset(copy).digest == open_preset(preset).digest


def test_what_a_run_was_planned_with_opens_on_a_worker_in_another_folder(
    preset, tmp_path, monkeypatch
):
    monkeypatch.chdir(preset.parent)
    planned = PlannedPreset.of(open_preset(preset.name))
    sent = pickle.dumps(planned)
    assert len(sent) < 1000
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert open_preset(pickle.loads(sent)).digest == planned.digest


@pytest.mark.parametrize(
    "file", ["labels.json", "model.weights.h5", "assets/tokenizer/vocabulary.txt"]
)
def test_a_preset_that_changed_since_the_run_was_planned_is_refused(preset, file):
    planned = PlannedPreset.of(open_preset(preset))
    content = (preset / file).read_bytes()
    (preset / file).write_bytes(content.swapcase())
    with pytest.raises(PresetError) as caught:
        Predictor.from_preset(planned)
    problem = "has changed since the run was planned; start the run again"
    assert str(caught.value) == f"preset {str(preset)!r} {problem}"
    (preset / file).write_bytes(content)
    assert Predictor.from_preset(planned).labels


def test_a_bundled_preset_travels_by_its_name():
    assert PlannedPreset.of(open_preset("sentiment_tiny_en")).name == "sentiment_tiny_en"


def test_a_name_too_long_for_a_path_is_no_preset():
    with pytest.raises(PresetError, match="is not a folder"):
        find_preset("x" * 300)


def test_lengths_are_the_presets_own_or_the_one_asked_for(preset):
    edit(preset, PREPROCESSOR, "config", "sequence_length", 20)
    opened = open_preset(preset)
    assert (opened.sequence_length, opened.max_sequence_length) == (20, 24)
    assert [opened.resolve_length(n) for n in (None, 8, 24)] == [20, 8, 24]


@pytest.mark.parametrize("part", ["Tokenizer", "Preprocessor", "Backbone", "Classifier"])
def test_a_registered_preset_of_another_family_is_refused_before_it_is_fetched(part, monkeypatch):
    def fetch(*_):
        raise AssertionError("fetched")

    monkeypatch.setattr(store, "fetch", fetch)
    with pytest.raises(PresetError, match="'bert_large_en_cased' is of the family 'bert', not 'ro"):
        getattr(models, f"Roberta{part}").from_preset("bert_large_en")


@pytest.mark.parametrize("part", ["tokenizer", "preprocessor", "backbone", "classifier"])
def test_a_folder_that_is_elsewhere_is_not_written(classifier, part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts = {
        "tokenizer": classifier.preprocessor.tokenizer,
        "preprocessor": classifier.preprocessor,
        "backbone": classifier.backbone,
        "classifier": classifier,
    }
    with pytest.raises(UserError, match="'gs://bucket/x' is not a folder on this machine"):
        parts[part].save_to_preset("gs://bucket/x")
    assert not list(tmp_path.iterdir())


def test_weights_are_not_written_in_a_type_that_loses_them(classifier, tmp_path):
    for model in (classifier, classifier.backbone):
        with pytest.raises(UserError, match="weights_dtype='int8' is not one of float32, float16"):
            model.save_to_preset(tmp_path / "new", weights_dtype="int8")
    assert not (tmp_path / "new").exists()
