"""Presets that ask for far more than they hold."""

import json
import os

import h5py
import numpy as np
import pytest

from models import BertTokenizer, PresetError, RobertaTokenizer
from models.presets import keras_hub, vocabulary_files
from models.presets.keras_hub_preset import BACKBONE_WEIGHTS
from models.presets.lookup import open_preset_folder
from models.presets.vocabulary_files import parsed_json, read_lines
from models.presets.weights import hdf5
from models.tokenizers.protobuf import byte_fields
from tests.models.presets.hugging_face_folders import WORDPIECE, make_folder

LAYOUT = [keras_hub.H5Weight("a", (4,), (("layers/a", (4,)),))]


def refusal_of(tokenizer, folder) -> str:
    with pytest.raises(PresetError) as caught:
        tokenizer.from_preset(str(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"preset {str(folder)!r}: ")


def test_a_vocabulary_that_can_spell_nothing_is_refused(tmp_path):
    folder = make_folder(tmp_path / "bert", "bert")
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in WORDPIECE[:5]))
    expected = "vocab.txt: the vocabulary can spell no text: "
    assert refusal_of(BertTokenizer, folder).startswith(expected)


def test_a_vocabulary_of_nothing_but_punctuation_spells_punctuation():
    tokenizer = BertTokenizer([*WORDPIECE[:5], "."])
    assert tokenizer.encode(["."]).ids.tolist() == [5]


def test_a_vocabulary_of_a_hundred_million_lines_is_refused(tmp_path):
    folder = make_folder(tmp_path / "bert", "bert")
    (folder / "vocab.txt").write_bytes(b"\n" * 100_000_000)
    assert refusal_of(BertTokenizer, folder) == "vocab.txt: has more than 4,000,000 lines"


def test_a_vocabulary_of_many_lines_is_read(tmp_path):
    (tmp_path / "a.txt").write_text("a\n" * 1000)
    assert len(read_lines(tmp_path / "a.txt")) == 1000


def test_a_vocabulary_that_is_nested_too_deeply_is_refused(tmp_path):
    folder = make_folder(tmp_path / "roberta", "roberta")
    (folder / "vocab.json").write_bytes(b"[" * 200_000)
    refusal = refusal_of(RobertaTokenizer, folder)
    assert refusal.startswith("vocab.json: not valid JSON (")


@pytest.mark.parametrize("levels", [101, 950])
def test_a_description_that_is_nested_too_deeply_is_refused(tmp_path, levels):
    folder = make_folder(tmp_path / "bert", "bert")
    deep = "[" * levels + "]" * levels
    (folder / "tokenizer_config.json").write_text(f'{{"tokenizer_class": {deep}}}')
    refusal = refusal_of(BertTokenizer, folder)
    assert refusal.startswith("tokenizer_config.json: not valid JSON (nested ")


def test_json_of_more_values_than_any_vocabulary_is_refused(monkeypatch):
    monkeypatch.setattr(vocabulary_files, "MOST_VALUES", 10)
    assert parsed_json(json.dumps(list(range(11))).encode()) == list(range(11))
    with pytest.raises(ValueError, match="more than 10 values"):
        parsed_json(json.dumps(list(range(12))).encode())


@pytest.mark.parametrize("message", [b"\x08" + b"\xff" * 200_000, b"\x08\x01" * 5_000_000])
def test_a_message_without_end_is_refused(message):
    with pytest.raises(IndexError):
        for _ in byte_fields(message):
            pass


def weights_of(folder) -> keras_hub.H5Weights:
    preset = open_preset_folder("p", make_folder(folder, "bert"))
    return keras_hub.H5Weights(preset, BACKBONE_WEIGHTS, LAYOUT)


def test_a_file_of_more_groups_than_any_model_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "_MOST_OBJECTS", 100)
    with h5py.File(tmp_path / BACKBONE_WEIGHTS, "w") as store:
        for number in range(101):
            store.create_group(f"layers/{number}")
    with pytest.raises(PresetError, match="more groups than any weights have"):
        weights_of(tmp_path)


def test_a_group_inside_of_itself_is_refused(tmp_path):
    with h5py.File(tmp_path / BACKBONE_WEIGHTS, "w") as store:
        store["layers/again"] = store["/"]
    with pytest.raises(PresetError, match="more groups than any weights have"):
        weights_of(tmp_path)


def test_a_chunk_far_larger_than_its_array_is_refused(tmp_path):
    with h5py.File(tmp_path / BACKBONE_WEIGHTS, "w") as store:
        store.create_dataset(
            "layers/a", (4,), np.float32, maxshape=(None,), chunks=(1 << 28,), compression="gzip"
        )
    with h5py.File(tmp_path / BACKBONE_WEIGHTS, "a") as store:
        store["layers/padding"] = np.zeros(64, np.int32)
    with pytest.raises(PresetError, match="is stored in chunks far larger than itself"):
        weights_of(tmp_path)


def test_links_in_a_folder_of_the_users_own_are_followed(tmp_path):
    folder = make_folder(tmp_path / "bert", "bert")
    (folder / "vocab.txt").rename(tmp_path / "elsewhere.txt")
    os.symlink(tmp_path / "elsewhere.txt", folder / "vocab.txt")
    assert BertTokenizer.from_preset(str(folder)).vocabulary_size() == len(WORDPIECE)
