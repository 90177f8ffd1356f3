"""The page about a trained preset, in a browser."""

import shlex

import numpy as np
import pytest

from pipelines.reports.making import training_page
from pipelines.reports.page import MAX_BYTES
from pipelines.reports.trained.confusion import MATRIX_LABELS
from pipelines.reports.trained.sections import TEXTLESS
from tests.pipelines.reports.trained.records import a_number, one_label, several_labels

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "--accent",
    "a\u202eb\x1b[31m",
    "{{datum}} datum['x'] \\ \" '",
    "others",
    " ",
    "x" * 100_000,
    "x" * 100_000 + "y",
    *map(str, range(20)),
]
RECORDS = {
    "two": lambda: one_label(["ham", "spam"]),
    "77": lambda: one_label([f"topic {i} of a shelf" for i in range(77)], 2000),
    "1000": lambda: one_label([f"intent_{i}_{'x' * 30}" for i in range(1000)], 5000),
    "hostile": lambda: one_label(HOSTILE),
    "several": lambda: several_labels(["late", "rude", "cold", "dear"]),
    "number": lambda: a_number("price <b>"),
}


def headings(opened):
    return opened.page.locator("h2").all_inner_texts()


def rows_of(opened, caption):
    """The cells of a table, row by row, whether or not it is folded away."""
    table = opened.page.locator("table").filter(has=opened.page.get_by_text(caption, exact=True))
    return [
        [cell.text_content() for cell in row.locator("th, td").all()]
        for row in table.first.locator("tbody tr").all()
    ]


@pytest.mark.parametrize("look", [("light", 1200), ("dark", 375)], ids=["light", "dark"])
@pytest.mark.parametrize("name", RECORDS)
def test_every_chart_is_drawn_in_every_light_and_width(open_page, look, name):
    page = training_page(RECORDS[name](), "out/preset")
    assert len(page) < MAX_BYTES / 2
    opened = open_page(page, *look)
    opened.check()
    assert "What to do next" in headings(opened)


def test_what_a_page_has_is_what_there_are_figures_for(open_page):
    every = {
        "How well it does",
        "How it learned",
        "Its worst mistakes",
        "What to do next",
        "What it learned from",
        "How to make it again",
    }
    opened = open_page(training_page(RECORDS["two"](), "p"))
    labels = {"Label by label", "What it confuses", "Whether its scores can be trusted"}
    assert set(headings(opened)) == every | labels
    opened = open_page(training_page(RECORDS["several"](), "p"))
    assert set(headings(opened)) == every | labels - {"What it confuses"}
    opened = open_page(training_page(RECORDS["number"](), "p"))
    assert set(headings(opened)) == every | {"What it predicts"}


def test_the_matrix_of_many_labels_has_the_largest_and_counts_the_others(open_page):
    record = RECORDS["1000"]()
    opened = open_page(training_page(record, "p"))
    cells = rows_of(opened, "Cells of the matrix that are not empty")
    labels = record["figures"]["labels"]
    shown = dict.fromkeys(cell[0] for cell in cells)
    assert len(shown) == MATRIX_LABELS
    least = min(labels[label]["rows"] for label in shown)
    assert all(of["rows"] <= least for name, of in labels.items() if name not in shown)
    assert "all other labels" in {cell[1] for cell in cells}
    counted = sum(int(cell[2]) for cell in cells)
    assert counted == sum(labels[label]["rows"] for label in shown)


def test_many_labels_are_counted_by_their_f1(open_page):
    opened = open_page(training_page(RECORDS["77"](), "p"))
    assert opened.page.get_by_text("Labels by their F1").count() == 1
    assert len(rows_of(opened, "Every label, the one with the lowest F1 first")) == 77


def test_the_pairs_that_are_confused_most_come_first(open_page):
    record = RECORDS["77"]()
    pairs = rows_of(open_page(training_page(record, "p")), "What it confuses most")
    expected = [pair for pair in record["figures"]["confused"] if pair["rows"] > 1]
    assert [pair[:3] for pair in pairs] == [
        [pair["label"], pair["predicted"], str(pair["rows"])] for pair in expected
    ]


def test_an_older_record_without_pairs_and_seconds_has_its_matrix(open_page):
    record = one_label(["a", "b"])
    expected = record["figures"].pop("confused")
    del record["history"]["seconds"], record["backend"]
    for of in record["figures"]["labels"].values():
        del of["predicted"]
    opened = open_page(training_page(record, "p"))
    opened.check()
    found = rows_of(opened, "What it confuses most")
    assert [row[2] for row in found] == [str(pair["rows"]) for pair in expected]


def test_the_kept_epoch_is_marked_and_every_epoch_is_told(open_page):
    opened = open_page(training_page(RECORDS["two"](), "p"))
    assert opened.page.get_by_text("number 2 was kept").count() == 1
    assert [row[0] for row in rows_of(opened, "Every epoch")] == ["1", "2", "3"]
    chart = opened.page.locator("figure.chart", has_text="Loss by epoch")
    assert chart.locator(".layer_0_marks.mark-rule line").count() == 1


def test_one_epoch_is_a_table_and_no_line(open_page):
    record = RECORDS["two"]()
    record["history"] = {name: values[:1] for name, values in record["history"].items()}
    record["best_epoch"] = 1
    opened = open_page(training_page(record, "p"))
    opened.check()
    assert opened.page.get_by_text("Loss by epoch").count() == 0
    assert len(rows_of(opened, "Every epoch")) == 1


def test_without_texts_the_page_says_why_and_where_they_are(open_page):
    record = RECORDS["two"]()
    opened = open_page(training_page(record, "p"))
    assert opened.page.get_by_text(TEXTLESS).count() == 1
    assert len(rows_of(opened, "Its worst mistakes")) == len(record["figures"]["mistakes"])
    for number, mistake in enumerate(record["figures"]["mistakes"]):
        mistake |= {"text": f"mail {number} <b>", "pair": "and an answer"}
    opened = open_page(training_page(record, "p"))
    opened.check()
    assert opened.page.get_by_text(TEXTLESS).count() == 0
    assert opened.page.get_by_text("mail 0 <b>").count() == 1
    assert opened.page.get_by_text("and an answer").count() > 1


@pytest.mark.parametrize(
    "place", ["mail_queues/", "my presets/it's", "gs://bucket/$(x) `y`", "-x", "a\nb"]
)
def test_the_next_command_is_what_a_shell_takes(open_page, place):
    record = RECORDS["two"]()
    record["arguments"] |= {"text_column": "the body", "text_pair_column": "answer"}
    opened = open_page(training_page(record, place))
    code = opened.page.locator("pre code").text_content()
    words = shlex.split(code)
    assert words[:3] == ["python", "-m", "pipelines.classify"]
    assert f"--preset={place}" in words
    assert {"--text_column=the body", "--text_pair_column=answer", "--output=labels/"} <= {*words}


def test_infinite_figures_of_an_epoch_are_left_out(open_page):
    record = RECORDS["two"]()
    record["history"]["val_loss"][0] = None
    opened = open_page(training_page(record, "p"))
    opened.check()
    assert opened.page.get_by_text("loss goes from unknown in the first epoch").count() == 1


def test_a_model_that_is_always_right_confuses_nothing(open_page):
    record = one_label(["a", "b"])
    figures = record["figures"]
    figures |= {"confusion": [[3, 0], [0, 4]], "confused": [], "mistakes": []}
    figures["labels"] = {
        name: {"precision": 1.0, "recall": 1.0, "f1": 1.0, "rows": rows, "predicted": rows}
        for name, rows in (("a", 3), ("b", 4))
    }
    opened = open_page(training_page(record, "p"))
    opened.check()
    assert opened.page.get_by_text("7 of 7 rows are on the diagonal").count() == 1
    assert "Its worst mistakes" not in headings(opened)


def test_numbers_without_spread_are_drawn(open_page):
    record = a_number("stars")
    record["figures"]["sample"] = [[3.0, 3.0]] * 5
    record["figures"]["residuals"] = {"edges": [0.0, 0.0], "rows": [5]}
    open_page(training_page(record, "p")).check()
    record = a_number("stars")
    record["figures"]["sample"] = (1e-7 * np.array(record["figures"]["sample"])).tolist()
    open_page(training_page(record, "p")).check()
