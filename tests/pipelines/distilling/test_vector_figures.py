import sys

import numpy as np
import pytest

from pipelines.distilling import vector_figures as module
from pipelines.distilling.vector_figures import retrieval, vector_figures, word_counts


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)


def test_vectors_that_differ_in_length_and_direction_alone_are_as_good(vectors):
    turned, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))
    found = vector_figures(3 * vectors @ turned.astype(np.float32), vectors)
    assert found["spearman"] > 0.9999
    assert found["neighbours"] > 0.98


def test_vectors_of_chance_are_as_good_as_chance(vectors):
    other = np.random.default_rng(2).normal(size=(40, 5))
    found = vector_figures(other, vectors)
    assert abs(found["spearman"]) < 0.2
    assert 0.1 < found["neighbours"] < 0.4
    assert found.keys() == {"spearman", "neighbours"}


def test_the_rank_correlation_is_that_of_scipy(vectors):
    stats = pytest.importorskip("scipy.stats")
    # The cosines are 0 and 1, and equal ones share their mean rank.
    coarse = np.eye(4)[np.arange(40) % 4]
    pairs = np.triu_indices(40, 1)
    cosines = [module._cosines(each)[pairs] for each in (coarse, vectors)]
    expected = stats.spearmanr(*cosines).statistic
    assert vector_figures(coarse, vectors)["spearman"] == pytest.approx(expected, abs=1e-5)


def test_the_nearest_rows_have_a_labels_share(vectors):
    apart = np.eye(2)[[0, 1] * 15] + 0.01 * vectors[:30, :2]
    assert retrieval(apart, ["a", "b"] * 15) == 1
    assert vector_figures(apart, vectors[:30], ["a", "b"] * 15)["retrieval"] == 1
    assert retrieval(apart, [None, *["a"] * 29]) == 1
    assert 0.2 < retrieval(apart, ["a", "a", "b", "b", "a"] * 6) < 0.7


def test_few_rows_and_rows_alike_have_figures_too(vectors):
    found = vector_figures(vectors[:3], vectors[:3], ["a", "a", None])
    assert found == {"spearman": 1.0, "neighbours": 1.0, "retrieval": 1.0}
    same = vector_figures(np.ones((5, 4)), vectors[:5])
    assert same["spearman"] == 0
    zero = vector_figures(np.zeros((5, 4)), vectors[:5])
    assert np.isfinite(list(zero.values())).all()


def test_of_many_rows_the_same_share_is_compared_each_time(vectors, monkeypatch):
    monkeypatch.setattr(module, "_ROWS", 20)
    sizes = []
    cosines = module._cosines
    monkeypatch.setattr(module, "_cosines", lambda rows: sizes.append(len(rows)) or cosines(rows))
    labels = ["a", "b"] * 20
    first, second = (vector_figures(vectors[:, :4], vectors, labels) for _ in range(2))
    assert first == second
    assert set(sizes) == {20}


def test_words_are_counted_by_the_texts_learned_from():
    pytest.importorskip("sklearn")
    found = word_counts(["fresh soup", "stale bread"], ["fresh bread", "unheard words"])
    assert found is not None
    assert (found.dtype, found.shape) == (np.float32, (2, 4))
    assert found.getnnz(axis=1).tolist() == [2, 0]
    assert word_counts(["the", "and"], ["the"]) is None


def test_counted_words_have_the_cosines_of_the_same_numbers_in_an_array():
    pytest.importorskip("sklearn")
    texts = [f"word{i % 7} word{i % 5} word{i}" for i in range(40)]
    found = word_counts(texts[1:], [*texts, "unheard"])
    assert found is not None
    cosines = module._cosines(found)
    np.testing.assert_allclose(cosines, module._cosines(found.toarray()), atol=1e-6)
    assert vector_figures(found, cosines)["spearman"] > 0.5


def test_without_scikit_learn_no_words_are_counted(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    assert word_counts(["fresh soup"], ["stale bread"]) is None
