import numpy as np
import pytest

from models import Predictor
from models.inference.distinct import distinct_rows
from tests.models.inference.predicting import AREA, SHORT_LENGTH, make_embedder, watched


def by_hand(whole, text, pair=None):
    """Windows of a text of letters, each a token, with the tokens that each of them adds."""
    words = (pair or text).split()
    fixed = 2 if pair is None else 3 + len(text.split())
    room = SHORT_LENGTH - fixed
    found, start = [], 0
    while True:
        window = " ".join(words[start : start + room])
        rows = [window] if pair is None else [[text], [window]]
        weight = len(window.split()) + (fixed if start == 0 else -(room // 4))
        found.append((whole([window])[0] if pair is None else whole(*rows)[0], weight))
        if start + room >= len(words):
            return found
        start += room - room // 4


@pytest.mark.parametrize("pair", [None, "o p q r s t u v w x y"])
def test_a_long_text_is_the_mean_of_its_windows(short_classifier, pair):
    predictor = Predictor(short_classifier, "CPU", AREA, long_text="windows")
    text = "a b c d e f g h i j k l m n" if pair is None else "a b"
    seconds = () if pair is None else ([pair, "y", pair],)
    found = predictor([text, "a b", text], *seconds)
    whole = Predictor(short_classifier, "CPU")
    windows = by_hand(whole, text, pair)
    assert len(windows) > 2
    expected = sum(weight * result for result, weight in windows) / sum(w for _, w in windows)
    np.testing.assert_allclose(found[0], expected, atol=1e-6)
    np.testing.assert_array_equal(found[2], found[0])
    short = whole(["a b"]) if pair is None else whole(["a b"], ["y"])
    np.testing.assert_allclose(found[1], short[0], atol=1e-6)


def test_a_mean_of_vectors_is_normalized_again(short_classifier):
    text = "a b c d e f g h i j k l m n"
    embedder = make_embedder(short_classifier, 5, normalize=True)
    found = Predictor(embedder, "CPU", AREA, long_text="windows")([text])[0]
    windows = by_hand(Predictor(embedder, "CPU"), text)
    total = sum(weight * result for result, weight in windows)
    np.testing.assert_allclose(found, total / np.linalg.norm(total), atol=1e-6)
    plain = make_embedder(short_classifier, 5)
    found = Predictor(plain, "CPU", AREA, long_text="windows")([text])[0]
    windows = by_hand(Predictor(plain, "CPU"), text)
    expected = sum(weight * result for result, weight in windows) / sum(w for _, w in windows)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_equal_windows_are_computed_once_and_every_row_counts_once(short_classifier):
    predictor, computed = watched(short_classifier, long_text="windows")
    tokens, _, _ = predictor.preprocessor.encode_windows([*["a b " * 20] * 3, "good", "a " * 30])
    done = []
    predictor.predict(tokens, on_rows=done.append)
    assert sum(done) == 5
    assert computed.num_rows < len(predictor.preprocessor.split_windows(tokens).tokens) / 2


def test_a_window_that_fails_is_its_rows_error(short_classifier):
    bad_id = short_classifier.preprocessor.tokenizer.token_to_id("[")
    predictor, _ = watched(short_classifier, long_text="windows", is_bad=lambda ids: bad_id in ids)
    tokens, _, _ = predictor.preprocessor.encode_windows(["a " * 30, "a b " * 9 + "[ x", "b"])
    prediction = predictor.predict(tokens)
    assert prediction.errors == {1: "ValueError: cannot compute this"}
    assert np.isnan(prediction.outputs[1]).all()
    assert np.isfinite(prediction.outputs[[0, 2]]).all()


@pytest.mark.parametrize("pair", [None, "o p q r s t u v w x y"])
def test_a_prefix_that_is_not_pooled_is_left_out_of_the_windows_that_begin_with_it(
    short_classifier, pair
):
    text = "c d e f g h i j k l m n" if pair is None else ""
    settings = {"prefix": "a b ", "pools_prefix": False}
    embedder = make_embedder(short_classifier, **settings)
    pairs = () if pair is None else ([pair],)
    found = Predictor(embedder, "CPU", AREA, long_text="windows")([text], *pairs)[0]
    apart = Predictor(embedder, "CPU")
    inside = Predictor(make_embedder(short_classifier), "CPU")

    def whole(*segments):
        """Computes a window; its first text is given with the prefix."""
        first, *others = (segment[0] for segment in segments)
        if first.startswith("a b"):
            return apart([first.removeprefix("a b").lstrip()], *([other] for other in others))
        return inside([first])

    windows = by_hand(whole, f"a b {text}".strip(), pair)
    assert len(windows) > 2
    expected = sum(weight * result for result, weight in windows) / sum(w for _, w in windows)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_equal_windows_with_and_without_a_prefix_are_not_taken_for_each_other(short_classifier):
    preprocessor = short_classifier.preprocessor
    tokens, _, _ = preprocessor.encode_windows(["a b c d e f g h i j k l", "a b c", "g h"])
    windows = preprocessor.split_windows(tokens)
    assert windows.num_skipped(0).tolist() == [0] * len(windows.tokens)
    first_windows = np.isin(np.arange(len(windows.tokens)), windows.bounds[:-1])
    np.testing.assert_array_equal(windows.num_skipped(3), np.where(first_windows, 3, 0))
    rows = preprocessor.encode(["a b c", "a b c", "a b c"])[0]
    first, inverse, keys = distinct_rows(rows, np.array([3, 0, 3]))
    assert (first.tolist(), inverse.tolist(), len(set(keys))) == ([0, 1], [0, 1, 0], 2)
