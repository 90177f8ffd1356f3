import shutil
from pathlib import Path

import pytest

from models import BertPreprocessor, BertTokenizer, PresetError, presets
from models.presets import locate, open_preset
from tests.models.damage import PREPROCESSOR, edit


@pytest.fixture
def bundled(preset, tmp_path, monkeypatch):
    """Two presets that come with the package."""
    folder = tmp_path / "bundled"
    for name in ("sentiment_tiny_en", "topics_small_en"):
        shutil.copytree(preset, folder / name)
    monkeypatch.setattr(presets, "BUNDLED", folder)
    return folder


def test_a_bundled_preset_is_found_by_name(bundled):
    assert presets.bundled_presets() == ["sentiment_tiny_en", "topics_small_en"]
    opened = open_preset("sentiment_tiny_en")
    assert (opened.name, opened.folder) == ("sentiment_tiny_en", bundled / "sentiment_tiny_en")


def test_an_unknown_name_is_refused_with_the_choices_and_the_nearest(bundled):
    with pytest.raises(PresetError) as caught:
        open_preset("sentiment_tiny")
    message = str(caught.value)
    assert "preset 'sentiment_tiny' is no folder, no URI and none of the names" in message
    assert "did you mean 'sentiment_tiny_en'?" in message


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


def test_a_preset_may_lie_in_the_home_folder(preset, monkeypatch):
    monkeypatch.setenv("HOME", str(preset.parent))
    assert locate(f"~/{preset.name}").folder == preset
    with pytest.raises(PresetError, match="is no folder"):
        locate("x" * 300)


def test_lengths_are_the_presets_own_or_the_one_asked_for(preset):
    edit(preset, PREPROCESSOR, "config", "sequence_length", 20)
    opened = open_preset(preset)
    assert (opened.sequence_length, opened.max_sequence_length) == (20, 24)
    assert [opened.resolve_length(n) for n in (None, 8, 24)] == [20, 8, 24]
