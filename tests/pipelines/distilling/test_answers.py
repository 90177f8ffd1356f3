"""What a teacher says is asked once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models import BertClassifier
from models.inference.predictor import Predictor
from models.presets.lookup import open_preset
from pipelines.distilling import answers as answers_module
from pipelines.distilling.answers import AnswerCache, Segments
from pipelines.distilling.teacher import Teacher
from tests.pipelines.conftest import TEXTS

ROWS = 4


class Asked:
    """Answers each text with its length, and notes what it was asked."""

    def __init__(self, width: int = 2) -> None:
        self.width = width
        self.texts: list[str] = []
        self.found = 0

    def __call__(self, segments: Segments) -> np.ndarray:
        self.texts += segments[0]
        lengths = [sum(map(len, row)) for row in zip(*segments, strict=True)]
        return np.repeat(np.array(lengths, np.float32)[:, None], self.width, axis=1)

    def count(self, rows: int) -> None:
        self.found += rows


@pytest.fixture(autouse=True)
def _few_rows_to_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers_module, "_ROWS", ROWS)


def ask(*segments: list[str], key: str = "teacher", width: int = 2) -> tuple[Asked, np.ndarray]:
    asked = Asked(width)
    return asked, AnswerCache(key, width).answers(segments, asked, asked.count)


def files(cache: Path) -> list[Path]:
    return sorted((cache / "teachers").iterdir())


def test_answers_are_kept_some_rows_to_a_file(cache):
    asked, found = ask(TEXTS)
    assert (asked.texts, asked.found) == (TEXTS, 0)
    assert found[:, 0].tolist() == [len(text) for text in TEXTS]
    assert len(files(cache)) == 3
    again, same = ask(TEXTS)
    assert (again.texts, again.found) == ([], len(TEXTS))
    assert (same.dtype, same.tolist()) == (np.float32, found.tolist())


def test_rows_that_are_added_anywhere_are_asked_about_alone():
    ask(TEXTS[1:8])
    asked, found = ask(TEXTS[9:] + TEXTS[7::-1])
    assert (asked.texts, asked.found) == ([*TEXTS[9:], TEXTS[0]], 7)
    assert found[:, 0].tolist() == [len(text) for text in TEXTS[9:] + TEXTS[7::-1]]


@pytest.mark.parametrize(
    ("segments", "settings"),
    [
        ((TEXTS[:4],), {"key": "another"}),
        ((TEXTS[:4],), {"width": 3}),
        ((TEXTS[:4], TEXTS[4:8]), {}),
    ],
    ids=["teacher", "width", "pairs"],
)
def test_what_was_asked_otherwise_is_asked_again(segments, settings):
    ask(TEXTS[:4])
    asked, found = ask(*segments, **settings)
    assert asked.texts == segments[0]
    assert found.shape == (4, settings.get("width", 2))


def test_no_rows_have_no_answers():
    asked, found = ask([])
    assert (asked.texts, found.shape) == ([], (0, 2))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"no numbers",
        {"answers": np.zeros((ROWS, 2), np.float32)},
        {"digests": np.zeros(ROWS), "answers": np.zeros((ROWS, 2), np.float32)},
        {"digests": np.zeros(ROWS, "V16"), "answers": np.zeros((ROWS, 2))},
        {"digests": np.zeros(ROWS, "V16"), "answers": np.zeros((ROWS - 1, 2), np.float32)},
        {"digests": np.zeros(ROWS, "V16"), "answers": np.zeros((ROWS, 3), np.float32)},
        {"digests": np.zeros(ROWS, "V16"), "answers": np.array([["a", None]] * ROWS, object)},
    ],
    ids=["empty", "cut", "other", "nameless", "names", "float64", "short", "wide", "pickled"],
)
def test_a_file_that_is_not_what_was_written_is_asked_again(cache, content):
    _, expected = ask(TEXTS[:ROWS])
    (file,) = files(cache)
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.savez(file, **content)
    asked, found = ask(TEXTS[:ROWS])
    assert asked.texts == TEXTS[:ROWS]
    assert found.tolist() == expected.tolist()
    assert ask(TEXTS[:ROWS])[0].texts == []


def test_a_file_that_was_cut_is_asked_again(cache):
    ask(TEXTS[:ROWS])
    (file,) = files(cache)
    file.write_bytes(file.read_bytes()[:-3])
    assert ask(TEXTS[:ROWS])[0].texts == TEXTS[:ROWS]


def test_an_interrupt_keeps_what_was_answered(cache):
    asked = Asked()

    def interrupted(segments: Segments) -> np.ndarray:
        if len(asked.texts) == 2 * ROWS:
            raise KeyboardInterrupt
        return asked(segments)

    with pytest.raises(KeyboardInterrupt):
        AnswerCache("teacher", 2).answers((TEXTS,), interrupted, asked.count)
    assert len(files(cache)) == 2
    assert ask(TEXTS)[0].texts == TEXTS[2 * ROWS :]


def test_a_cache_that_cannot_be_written_costs_only_time(cache):
    cache.mkdir()
    (cache / "teachers").write_text("in the way")
    asked = Asked()
    kept = AnswerCache("teacher", 2)
    assert len(kept.answers((TEXTS,), asked, asked.count)) == len(TEXTS)
    assert kept.problem
    assert (cache / "teachers").read_text() == "in the way"


# The teacher itself


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of rows that predictors are asked for."""
    rows: list[int] = []
    predict = Predictor.predict

    def counted(self, tokens, *others):
        rows.append(len(tokens))
        return predict(self, tokens, *others)

    monkeypatch.setattr(Predictor, "predict", counted)
    return rows


@pytest.mark.parametrize("task", ["classify", "embed"])
def test_a_teacher_answers_as_its_predictor_and_computes_once(tiny_preset, predicted, task):
    teacher = Teacher(open_preset(tiny_preset), task)
    first, second = teacher.answers((TEXTS[:6],), (TEXTS[6:],))
    assert sum(predicted) == len(TEXTS)
    expected = Predictor.from_preset(tiny_preset, task)(TEXTS)
    np.testing.assert_allclose(np.concatenate([first, second]), expected, atol=1e-5)
    predicted.clear()
    again, _ = teacher.answers((TEXTS[:6],), (TEXTS[6:],))
    np.testing.assert_array_equal(again, first)
    assert predicted == []


def test_another_teacher_is_asked_itself(tiny_preset, predicted, tmp_path):
    Teacher(open_preset(tiny_preset), "classify").answers((TEXTS,))
    other = BertClassifier.from_preset(tiny_preset)
    other.logits.bias.assign([1.0, 0.0])
    other.save_to_preset(tmp_path / "other")
    predicted.clear()
    Teacher(open_preset(tmp_path / "other"), "classify").answers((TEXTS,))
    assert sum(predicted) == len(TEXTS)


def test_rows_without_an_answer_are_asked_about_again(cache):
    def fail(segments):
        return np.full((len(segments[0]), 2), np.nan, np.float32)

    AnswerCache("teacher", 2).answers((TEXTS,), fail, lambda _: None)
    assert not (cache / "teachers").exists()


def test_rows_beside_one_without_an_answer_are_kept():
    asked = Asked()

    def fail_at_first(segments):
        found = asked(segments)
        found[0] = np.inf
        return found

    AnswerCache("teacher", 2).answers((TEXTS[:ROWS],), fail_at_first, asked.count)
    assert ask(TEXTS[:ROWS])[0].texts == TEXTS[:1]


def test_a_cache_that_others_can_write_to_is_not_used(cache):
    folder = cache / "teachers"
    folder.mkdir(parents=True)
    cache.chmod(0o755)
    folder.chmod(0o777)
    kept, asked = AnswerCache("teacher", 2), Asked()
    kept.answers((TEXTS,), asked, asked.count)
    assert "other users can write to" in (kept.problem or "")
    assert (asked.texts, files(cache)) == (TEXTS, [])


def test_a_text_that_it_cannot_answer_has_no_numbers(lame_teacher: Callable[[str], Path]):
    teacher = Teacher(open_preset(lame_teacher("soup")), "classify")
    (found,) = teacher.answers((TEXTS,))
    assert np.isnan(found).any(axis=1).tolist() == ["soup" in text for text in TEXTS]


def test_that_answers_are_not_kept_is_told_in_one_line(cache, tiny_preset, capsys):
    cache.mkdir()
    (cache / "teachers").write_text("in the way")
    Teacher(open_preset(tiny_preset), "classify").answers((TEXTS,))
    err = capsys.readouterr().err
    assert err.startswith("error: the teacher's answers were not kept: ")
    assert err.count("\n") == 1
