import itertools

import pytest

from models.training.recipe import choose_recipe

WIDTHS = {"sentiment_tiny_en": 128, "MiniLM": 384, "base": 768, "large": 1024}
ROWS = [1, 50, 500, 5_000, 50_000, 500_000, 1_000_000]


@pytest.mark.parametrize("rows", ROWS)
def test_larger_models_learn_at_smaller_rates(rows):
    rates = [choose_recipe(rows, width).learning_rate for width in WIDTHS.values()]
    assert rates == sorted(rates, reverse=True)
    assert 1e-5 <= rates[-1] < rates[0] <= 1e-3


def test_more_rows_are_seen_less_often_in_larger_steps():
    recipes = [choose_recipe(rows, 384) for rows in ROWS]
    for fewer, more in itertools.pairwise(recipes):
        assert fewer.epochs >= more.epochs
        assert fewer.batch_size <= more.batch_size
    assert (recipes[0].epochs, recipes[-1].epochs) == (20, 1)


def test_thin_matrices_learn_faster_than_kernels():
    assert choose_recipe(500, 768, lora=True).learning_rate == pytest.approx(
        10 * choose_recipe(500, 768).learning_rate
    )


def test_a_model_from_scratch_learns_faster_than_one_that_has_learned():
    for width in WIDTHS.values():
        scratch, tuned = choose_recipe(500, width, from_scratch=True), choose_recipe(500, width)
        assert min(tuned.learning_rate, 5e-4) <= scratch.learning_rate <= 5e-4
