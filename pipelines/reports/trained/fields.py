"""What a page reads of `training.json`, and whether it is there as finetune writes it."""

from collections.abc import Callable, Mapping
from typing import Any

from pipelines.finetuning.figures import TITLES

_Is = Callable[[Any], bool]

_LARGEST = 1e300
"""Numbers beyond are no figures, and their sums would not be finite."""


def is_training(record: Any) -> bool:
    """Returns whether what was read has all that a page shows, of the types that it has.

    Args:
        record: What `training.json` holds.
    """
    return _RECORD(record) and _is_consistent(record)


def _number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) < _LARGEST


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _either(*kinds: _Is) -> _Is:
    return lambda value: any(kind(value) for kind in kinds)


def _optional(kind: _Is) -> _Is:
    return lambda value: value is None or kind(value)


def _list(kind: _Is, least: int = 0) -> _Is:
    return lambda value: isinstance(value, list) and len(value) >= least and all(map(kind, value))


def _map(kind: _Is, least: int = 0) -> _Is:
    return lambda value: (
        isinstance(value, dict) and len(value) >= least and all(map(kind, value.values()))
    )


def _fields(needed: Mapping[str, _Is], others: Mapping[str, _Is] | None = None) -> _Is:
    """Returns what checks an object; of `others` it may lack some."""

    def is_so(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and all(name in value and kind(value[name]) for name, kind in needed.items())
            and all(kind(value[name]) for name, kind in (others or {}).items() if name in value)
        )

    return is_so


_SCALAR = _optional(_either(_text, _number, lambda value: isinstance(value, bool)))
_ARGUMENTS = _map(_either(_SCALAR, _list(_SCALAR)))
_LABEL = _either(_text, _number, _list(_text))

_MISTAKE = _fields(
    {"label": _LABEL, "predicted": _LABEL, "score": _number},
    {"file": _text, "position": _count, "text": _text, "pair": _text},
)
_FIGURES = _fields(
    {"metric": _text, "baselines": _map(_object, least=1)},
    {
        **dict.fromkeys(TITLES, _number),
        "labels": _map(
            _fields(
                {"precision": _number, "recall": _number, "f1": _number, "rows": _count},
                {"predicted": _count},
            )
        ),
        "confusion": _list(_list(_count)),
        "confusion_labels": _list(_text),
        "confused": _list(_fields({"label": _text, "predicted": _text, "rows": _count})),
        "calibration": _fields(
            {
                "error": _number,
                "bins": _list(
                    _fields({"confidence": _number, "accuracy": _number, "rows": _count})
                ),
            }
        ),
        "sample": _list(lambda pair: _list(_number)(pair) and len(pair) == 2, least=1),
        "residuals": _fields({"edges": _list(_number), "rows": _list(_count)}),
        "mistakes": _list(_MISTAKE),
    },
)
_DATA = _fields(
    {
        **dict.fromkeys(("train", "validation", "contradictions"), _count),
        **dict.fromkeys(("labels", "left_out"), _map(_count)),
        "tokens": _fields(dict.fromkeys(("median", "95%", "longest"), _number)),
        "cut": _number,
    }
)
_SIDE = {
    "figures": _map(_number),
    "parameters": _count,
    **dict.fromkeys(("megabytes", "rows_per_second"), _number),
}
_TEACHER = _fields({**_SIDE, "student": _fields(_SIDE), "timed_rows": _count})
_RECORD = _fields(
    {
        **dict.fromkeys(("textbeam", "python", "keras", "kind"), _text),
        "start": _either(_text, _object),
        "arguments": _ARGUMENTS,
        "sequence_length": _count,
        "labels": _list(_text, least=1),
        "recipe": _map(_SCALAR),
        "data": _DATA,
        "history": _map(_list(_optional(_number), least=1), least=1),
        "best_epoch": _count,
        "figures": _FIGURES,
        "warnings": _list(lambda warning: _text(warning) and warning != ""),
    },
    {"backend": _text, "seconds": _number, "teacher": _optional(_TEACHER)},
)
_SHOWN_ARGUMENTS = _fields(
    {
        "validation": _optional(_list(_text)),
        **dict.fromkeys(("text_column", "text_pair_column"), _optional(_text)),
    }
)
_SHOWN_RECIPE = _fields(dict.fromkeys(("epochs", "batch_size"), _count))


def _is_consistent(record: Mapping[str, Any]) -> bool:
    """Returns whether what has the right types fits together."""
    history, figures = record["history"], record["figures"]
    epochs = {len(values) for values in history.values()}
    return (
        _SHOWN_ARGUMENTS(record["arguments"])
        and _SHOWN_RECIPE(record["recipe"])
        and len(epochs) == 1
        and 1 <= record["best_epoch"] <= epochs.pop()
        and _list(_number)(history.get("seconds", []))
        and _are_compared(figures, record.get("teacher"))
        and _are_confused(figures)
        and _are_numbers(figures)
        and all("file" in each for each in figures.get("mistakes", []) if "position" in each)
    )


def _are_compared(figures: Mapping[str, Any], teacher: Mapping[str, Any] | None) -> bool:
    """Returns whether simpler models and the teacher have the figures that the model has."""
    shown = dict.fromkeys((name for name in figures if name in TITLES), _number)
    has_shown = _fields(shown)
    return (
        figures["metric"] in shown
        and _map(has_shown)(figures["baselines"])
        and (teacher is None or has_shown(teacher["figures"]))
    )


def _are_confused(figures: Mapping[str, Any]) -> bool:
    """Returns whether what is confused are labels, and rows of them."""
    labels = figures.get("labels", {})
    names = figures.get("confusion_labels", list(labels))
    if not all(name in labels for name in names):
        return False
    if "confusion" in figures:
        matrix = figures["confusion"]
        if [len(row) for row in matrix] != [len(names)] * len(names):
            return False
        if any(sum(row) > labels[name]["rows"] for name, row in zip(names, matrix, strict=True)):
            return False
    pairs = figures.get("confused", [])
    return all(pair["label"] in labels and labels[pair["label"]]["rows"] for pair in pairs)


def _are_numbers(figures: Mapping[str, Any]) -> bool:
    """Returns whether a model of numbers has all that is shown of them."""
    if "sample" not in figures:
        return True
    residuals = figures.get("residuals")
    return (
        residuals is not None
        and len(residuals["edges"]) == len(residuals["rows"]) + 1
        and "pearson" in figures
        and "mae" in figures
    )
