"""What docs/masked_lm.md shows, run on a small preset."""

import re

import numpy as np
import pytest

from models import BertPreprocessor, Classifier
from tests.test_architecture import ROOT


@pytest.mark.filterwarnings("ignore:preset .* stores no head of a masked LM:UserWarning")
def test_the_snippet_trains_and_its_folder_becomes_a_classifier(tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "masked_lm.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    code = code.replace("bert_base_en_uncased", "sentiment_tiny_en").replace("epochs=3", "epochs=1")
    assert "sentiment_tiny_en" in code
    notes = ["The soup was cold.", "A warm welcome, and a fine wine."] * 10
    (tmp_path / "notes.txt").write_text("\n".join(notes), "utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(code, names)  # the page's own
    trained = names["masked_lm"].backbone.token_embedding.embeddings
    before = Classifier.from_preset("sentiment_tiny_en").backbone.token_embedding.embeddings
    assert not np.array_equal(trained, before)
    np.testing.assert_array_equal(names["classifier"].backbone.token_embedding.embeddings, trained)
    assert names["classifier"].predict(notes, verbose=0).shape == (20, 2)
    assert BertPreprocessor.from_preset("bert_of_notes").sequence_length == 128
