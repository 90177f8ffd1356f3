"""Which records are those of finetune: every field of every kind, with every wrong type."""

import json

import pytest

from models.presets.registry import BUNDLED
from pipelines.reports import making
from pipelines.reports.trained import sections
from pipelines.reports.trained.fields import is_training
from pipelines.reports.trained.sections import trained_page
from tests.pipelines.reports.trained.records import a_number, one_label, several_labels

RECORDS = {
    "one label": lambda: one_label(["a", "b"]),
    "several labels": lambda: several_labels(["a", "b", "c"]),
    "a number": lambda: a_number("stars"),
}
VALUES = (None, True, "x", -1.5, [], [[]], {}, {"x": [0]})
FREE = {"arguments", "recipe", "start"}
"""What may hold values of several types."""


def fields(value, above=()):
    """Yields the way to each field; of a list, to its first and its last."""
    if above:
        yield above
    if isinstance(value, dict):
        for name in value:
            yield from fields(value[name], (*above, name))
    elif isinstance(value, list) and value:
        for index in {0, len(value) - 1}:
            yield from fields(value[index], (*above, index))


def changed(record, path, *value):
    """Returns the record with another value at a place, or without the place."""
    copy = json.loads(json.dumps(record))
    *above, last = path
    place = copy
    for name in above:
        place = place[name]
    if value:
        place[last] = value[0]
    else:
        del place[last]
    return copy


@pytest.mark.parametrize("kind", RECORDS)
def test_a_wrong_type_anywhere_is_no_training_or_can_be_shown(kind):
    record = RECORDS[kind]()
    assert is_training(record)
    taken = []
    for path in fields(record):
        for value in VALUES:
            now = changed(record, path, value)
            if is_training(now):
                taken.append(path)
                if path[0] not in FREE:
                    trained_page(now, "preset")
    assert len(taken) < len(list(fields(record))) * len(VALUES) / 4
    for path in (("data", "train"), ("figures", "baselines"), ("history", "loss", 0)):
        assert not is_training(changed(record, path, "x"))


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_settings_of_any_type_that_is_taken_are_shown(value):
    record = one_label(["a", "b"])
    for path in list(fields(record)):
        if path[0] not in FREE or len(path) > 2:
            continue
        if is_training(now := changed(record, path, value)):
            record = now
    assert making.training_page(record, "preset").startswith("<!doctype html")


@pytest.mark.parametrize("kind", RECORDS)
def test_without_any_of_its_fields_a_record_is_no_training_or_can_be_shown(kind):
    record = RECORDS[kind]()
    kept = []
    for path in fields(record):
        now = changed(record, path)
        if is_training(now):
            trained_page(now, "preset")
            kept.append(path)
    assert not {"data", "kind", "labels", "textbeam", "start"} & {
        path[0] for path in kept if len(path) == 1
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("best_epoch",), 4),
        (("best_epoch",), 0),
        (("history", "val_loss"), [1.0]),
        (("history", "loss", 0), float("inf")),
        (("history", "seconds", 0), None),
        (("data", "train"), 2**70),
        (("figures", "accuracy"), 10**400),
        (("figures", "metric"), "rmse"),
        (("figures", "baselines", "the most common label"), {}),
        (("figures", "confusion", 0, 0), 10_000),
        (("figures", "confusion", 0), [1, 2, 3]),
        (("figures", "confusion_labels"), ["a", "c"]),
        (("figures", "confused"), [{"label": "c", "predicted": "a", "rows": 1}]),
        (("figures", "mistakes", 0, "position"), 3),
        (("warnings",), [""]),
        (("recipe", "epochs"), "3"),
        (("arguments", "text_column"), 3),
    ],
)
def test_what_does_not_fit_together_is_no_training(path, value):
    assert not is_training(changed(one_label(["a", "b"]), path, value))


@pytest.mark.parametrize("name", ["residuals", "pearson", "mae"])
def test_a_model_of_numbers_has_all_its_figures(name):
    assert not is_training(changed(a_number("stars"), ("figures", name)))


def test_nothing_else_is_a_training():
    for other in (None, [], "x", 3, {}):
        assert not is_training(other)
    assert is_training(json.loads((BUNDLED / "sentiment_tiny_en" / "training.json").read_text()))


def test_a_fault_of_the_page_is_not_told_as_damage(monkeypatch, tmp_path):
    (tmp_path / "training.json").write_text(json.dumps(one_label(["a", "b"])))
    for kind in (TypeError, KeyError, ValueError, ZeroDivisionError):

        def broken(record, kind=kind):
            raise kind("our own")

        monkeypatch.setattr(sections, "_course", broken)
        with pytest.raises(kind, match="our own"):
            making.page_of(str(tmp_path))
