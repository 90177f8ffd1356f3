import pyarrow as pa
import pytest

from models.presets.embedding import Dense, EmbeddingSettings, LayerNorm, Normalize


def test_a_prefix_stands_before_the_first_text_of_a_row():
    settings = EmbeddingSettings(prefix="Query: ")
    assert settings.prepare([["A", ""]]) == [["Query: A", "Query: "]]
    assert settings.prepare([pa.array(["A"]), ["B"]]) == [["Query: A"], ["B"]]


def test_texts_that_stay_as_they_are_are_not_copied():
    texts = pa.array(["A"])
    assert EmbeddingSettings().prepare([texts])[0] is texts


@pytest.mark.parametrize(
    ("settings", "width"),
    [
        (EmbeddingSettings(), 4),
        (EmbeddingSettings(("cls", "mean", "max")), 12),
        (EmbeddingSettings("cls", modules=(Dense("1", 4, 7), Normalize(), LayerNorm("2", 7))), 7),
        (EmbeddingSettings(("cls", "max"), token_modules=(Dense("1", 4, 3),)), 6),
    ],
)
def test_the_width_follows_poolings_and_modules(settings, width):
    assert settings.width(4) == width


@pytest.mark.parametrize(
    "settings",
    [
        EmbeddingSettings(modules=(LayerNorm("2_LayerNorm", 5),)),
        EmbeddingSettings(token_modules=(LayerNorm("2_LayerNorm", 5),)),
        EmbeddingSettings("mean", modules=(Dense("1", 4, 4), LayerNorm("2_LayerNorm", 5))),
    ],
)
def test_a_module_that_does_not_fit_is_named(settings):
    with pytest.raises(ValueError, match="2_LayerNorm takes vectors of 5 numbers, not 4"):
        settings.width(4)


def test_modules_are_told_in_a_few_words():
    told = [Dense("2", 3, 4), Dense("2", 3, 4, "gelu", is_residual=True), LayerNorm("2", 3)]
    assert list(map(str, [*told, Normalize()])) == [
        *("Dense 3→4 tanh", "Dense 3→4 gelu, residual", "LayerNorm", "Normalize")
    ]
