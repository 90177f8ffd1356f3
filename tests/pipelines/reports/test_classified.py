"""The page about labels and numbers: right figures, whatever kind of classifier gave them."""

import json
import re

import apache_beam as beam
import numpy as np
import pytest

from models.errors import UserError
from pipelines.reports.certainty import judge
from pipelines.reports.making import result_page
from pipelines.reports.page import MAX_BYTES
from pipelines.reports.result import read_result
from tests.pipelines.reports.test_page import HOSTILE
from tests.pipelines.reports.written import write_result
from transforms import WriteResults

SECTIONS = ["At a glance", "Labels", "How sure", "Least and most certain texts", "Lengths"]
ABOUT = ["Inputs", "Model and versions", "The run"]


def labelled(count, labels=("negative", "positive"), seed=0):
    """Rows with a label and a score, and texts that tell their place."""
    random = np.random.default_rng(seed)
    return {
        "text": [f"text {i}" for i in range(count)],
        "label": [labels[i % len(labels)] for i in range(count)],
        "score": random.uniform(0.5, 1, count).astype(np.float32),
        "num_tokens": random.integers(3, 200, count).astype(np.int32),
        "truncated": [i % 10 == 0 for i in range(count)],
    }


def sections_of(opened):
    return opened.page.get_by_role("heading", level=2).all_text_contents()


def figures_of(opened):
    names = opened.page.locator(".figures dt").all_text_contents()
    values = opened.page.locator(".figures dd").all_text_contents()
    return dict(zip(names, values, strict=True))


def table_of(opened, caption):
    """The cells of a table by its caption, the head left out."""
    opened.page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    table = opened.page.get_by_role("table", name=caption, exact=True)
    rows = table.locator("tbody tr").all()
    return [row.locator("th, td").all_text_contents() for row in rows]


def test_labels_scores_lengths_and_reasons_are_on_a_page(tmp_path, open_page, look):
    reasons = {"'text' is null": 3, "not JSON: line 1": 2, "not JSON: line 2": 2}
    write_result(tmp_path / "out", labelled(90), rejected=reasons, labels=["negative", "positive"])
    opened = open_page(result_page(str(tmp_path / "out")), *look)
    opened.check()
    assert sections_of(opened) == [*SECTIONS, "Rejected rows", *ABOUT]
    assert figures_of(opened) == {
        "rows": "90",
        "labels found": "2 of 2",
        "texts cut": "10.0%",
        "rows rejected": "7.2%",
    }
    assert table_of(opened, "Rows by label") == [
        ["negative", "45", "50.0%"],
        ["positive", "45", "50.0%"],
    ]
    assert table_of(opened, "Rejected rows by reason") == [
        ["not JSON: line …", "4"],
        ["'text' is null", "3"],
    ]
    assert opened.page.get_by_text("not JSON: line 2", exact=True).count() == 2
    assert table_of(opened, "Input files")[0][:2] == ["reviews.jsonl", "97"]
    counts = opened.page.get_by_role("status").all_text_contents()
    assert counts[1] == "7 rows"
    warnings = opened.page.locator(".warning:visible").all_text_contents()
    assert warnings[0] == "7 of 97 rows were rejected (7.2%): see Rejected rows."
    assert "9 of 90 texts (10.0%) are longer than the 128 tokens" in warnings[1]


@pytest.mark.parametrize("output_format", ["parquet", "csv", "jsonl"])
def test_a_page_is_the_same_of_every_format(tmp_path, output_format):
    kind = {"probabilities": True, "top_k": 2}
    scores = np.linspace(0.5, 1, 40).astype(np.float32)
    names = ["a", 'b,\n"c']
    rows = {
        "text": [f'text {i},\n"{i}"' for i in range(40)],
        "label": [names[i % 2] for i in range(40)],
        "score": scores,
        "probabilities": [
            {names[i % 2]: score, names[1 - i % 2]: 1 - score} for i, score in enumerate(scores)
        ],
        "top": [
            [
                {"label": names[i % 2], "score": score},
                {"label": names[1 - i % 2], "score": 1 - score},
            ]
            for i, score in enumerate(scores)
        ],
    }
    pages = []
    for each in ("parquet", output_format):
        folder = tmp_path / each / "out"
        if not folder.exists():
            rejected = {"why": 2}
            write_result(
                folder, rows, labels=names, kind=kind, rejected=rejected, output_format=each
            )
        page = result_page(str(folder))
        pages.append(re.search('<h2 id="how-sure".*<h2 id="inputs"', page, re.DOTALL)[0])
    assert pages[0] == pages[1]
    assert "next <b>" in pages[0]


@pytest.mark.parametrize("has_top", [False, True], ids=["probabilities", "top"])
def test_texts_are_ordered_by_margin_if_it_is_known(tmp_path, open_page, has_top):
    scores = [(0.4, 0.35, 0.25), (0.42, 0.29, 0.29), (0.9, 0.06, 0.04), (0.41, 0.39, 0.2)]
    names = ["x", "y", "z"]
    ranked = [dict(zip(names, each, strict=True)) for each in scores]
    added = {"probabilities": ranked}
    if has_top:
        added = {"top": [[{"label": n, "score": s} for n, s in each.items()] for each in ranked]}
    kind = {"top_k": 3} if has_top else {"probabilities": True}
    rows = {
        "text": ["second", "third", "sure", "first"],
        "label": ["x"] * 4,
        "score": [each[0] for each in scores],
        **added,
    }
    write_result(tmp_path / "out", rows, labels=names, kind=kind)
    opened = open_page(result_page(str(tmp_path / "out")))
    opened.check()
    assert opened.page.locator(".text:visible").all_text_contents() == ["first", "second"]
    opened.page.get_by_role("combobox", name="certainty").select_option("most certain")
    assert opened.page.locator(".text:visible").all_text_contents() == ["sure", "third"]
    assert table_of(opened, "Labels that compete") == [["x", "y", "3"]]


def test_without_margins_texts_are_ordered_by_score(tmp_path):
    rows = labelled(50)
    write_result(tmp_path / "out", rows)
    judged = judge(read_result(str(tmp_path / "out"), ["classify", "embed"]).rows, None)
    assert [each.sureness for each in judged] == pytest.approx(rows["score"])


@pytest.mark.parametrize(
    ("second", "none"), [("b", "(no label)"), ("(no label)", "(no label)*")], ids=["", "taken"]
)
def test_a_text_with_several_labels_is_listed_under_each(tmp_path, open_page, second, none):
    several = [["a", second], ["a"], [], [second]]
    rows = {
        "text": ["both", "one", "none", "other"],
        "label": ["a", "a", "a", second],
        "score": [0.9, 0.6, 0.3, 0.8],
        "labels": [[{"label": n, "score": 0.7} for n in each] for each in several],
    }
    kind = {"is_multi_label": True}
    write_result(tmp_path / "out", rows, labels=["a", second, "c"], kind=kind, threshold=0.5)
    opened = open_page(result_page(str(tmp_path / "out")), "dark", 375)
    opened.check()
    assert "do not add up to 100%" in opened.page.get_by_role("region", name="Labels").inner_text()
    counts = {label: rest for label, *rest in table_of(opened, "Rows by label")}
    assert counts == {"a": ["2", "50.0%"], second: ["2", "50.0%"], "c": ["0", "0%"]}
    certainty = opened.page.get_by_role("combobox", name="certainty")
    certainty.select_option("all")
    label = opened.page.get_by_role("combobox", name="label")
    found = {}
    for name in ("a", second, none):
        label.select_option(name)
        found[name] = set(opened.page.locator(".text:visible").all_text_contents())
    assert found == {"a": {"both", "one"}, second: {"both", "other"}, none: {"none"}}


def test_numbers_have_a_page_of_their_own(tmp_path, open_page):
    numbers = [float(i) for i in range(-20, 20)]
    rows = {"text": [f"query {i}" for i in range(40)], "pair": ["document"] * 40, "score": numbers}
    write_result(tmp_path / "out", rows, labels=["relevance"], gives_numbers=True)
    opened = open_page(result_page(str(tmp_path / "out")), "dark", 375)
    opened.check()
    numbered = ["At a glance", "Numbers", "Highest and lowest texts", "Lengths"]
    assert sections_of(opened) == [*numbered, *ABOUT]
    texts = opened.page.locator(".text:visible").all_text_contents()
    assert texts[:2] == ["query 39", "document"]
    opened.page.get_by_role("combobox", name="texts").select_option("lowest")
    assert opened.page.locator(".text:visible").first.text_content() == "query 0"


def test_several_numbers_are_told_apart_and_gaps_counted(tmp_path, open_page):
    names = ["valence", HOSTILE["script"]]
    values = [{names[0]: i / 10, names[1]: float("nan") if i < 5 else -i} for i in range(30)]
    rows = {"text": [f"text {i}" for i in range(30)], "scores": values}
    kind = {"gives_numbers": True}
    write_result(tmp_path / "out", rows, labels=names, kind=kind, gives_numbers=True)
    opened = open_page(result_page(str(tmp_path / "out")))
    opened.check()
    assert [row[0] for row in table_of(opened, "Numbers by name")] == names
    assert "5 rows have none." in opened.page.locator(".note").all_text_contents()
    opened.page.get_by_role("combobox", name="number").select_option(names[1])
    assert opened.page.locator(".text:visible").first.text_content() == "text 5"


@pytest.mark.parametrize("rejected", [{}, {"every row is bad": 4}], ids=["empty", "rejected"])
def test_a_result_without_rows_says_so(tmp_path, open_page, rejected):
    write_result(tmp_path / "out", {"text": [], "label": [], "score": []}, rejected=rejected)
    opened = open_page(result_page(str(tmp_path / "out")))
    opened.check()
    said = opened.page.locator("main .warning:visible").text_content()
    count = sum(rejected.values())
    assert said == f"The result has no rows: {count} were read, {count} rejected."
    assert sections_of(opened) == ["At a glance", *(["Rejected rows"] if rejected else []), *ABOUT]


def test_shares_stand_beside_those_of_the_result_that_was_replaced(tmp_path, open_page):
    rows = {**labelled(40), "label": ["positive"] * 30 + ["negative"] * 10}
    write_result(tmp_path / "out", rows)
    write_result(tmp_path / "out", labelled(80), if_exists="overwrite")
    opened = open_page(result_page(str(tmp_path / "out")), "dark", 375)
    opened.check()
    assert table_of(opened, "Rows by label") == [
        ["negative", "40", "50.0%", "25.0%", "+25.0"],
        ["positive", "40", "50.0%", "75.0%", "−25.0"],
    ]
    chart = opened.page.get_by_role("region", name="Labels", exact=True)
    assert "by +25.0 points from 25.0%" in chart.inner_text()


def test_the_last_run_stands_beside_the_rows_before_it(tmp_path, open_page):
    write_result(tmp_path / "out", {**labelled(40), "label": ["positive"] * 40})
    rows = {**labelled(10), "label": ["negative"] * 10}
    write_result(tmp_path / "out", rows, source="more.jsonl", if_exists="append")
    opened = open_page(result_page(str(tmp_path / "out")))
    opened.check()
    assert table_of(opened, "Rows by label") == [
        ["negative", "10", "100.0%", "0%", "+100.0"],
        ["positive", "0", "0%", "100.0%", "−100.0"],
    ]
    assert figures_of(opened)["rows"] == "50"


def test_a_model_with_other_labels_is_not_compared(tmp_path, open_page):
    write_result(tmp_path / "out", labelled(40, ["x", "y"]), labels=["x", "y"])
    write_result(tmp_path / "out", labelled(40), if_exists="overwrite")
    opened = open_page(result_page(str(tmp_path / "out")))
    assert [len(row) for row in table_of(opened, "Rows by label")] == [3, 3]


def test_many_labels_leave_a_page_that_can_be_read(tmp_path, open_page, look):
    labels = [f"label number {i}" for i in range(3_000)]
    write_result(tmp_path / "out", labelled(9_000, labels), labels=[*labels, "unused"])
    page = result_page(str(tmp_path / "out"))
    assert len(page.encode()) < 1_600_000
    opened = open_page(page, *look)
    opened.check()
    assert figures_of(opened)["labels found"] == "3,000 of 3,001"
    notes = opened.page.locator(".note").all_text_contents()
    assert "2,981 other labels have 99.3% of the rows." in notes


def test_hostile_texts_labels_and_reasons_fit_and_do_nothing(tmp_path, open_page):
    hostile = [text for name, text in HOSTILE.items() if name != "long"]
    labels = [text for text in hostile if text]
    longest = "".join(map(chr, range(0x80, 0xA0))) * 400
    rows = labelled(20_000, labels)
    rows["text"] = [f"{hostile[i % len(hostile)]}{longest}<&\"'{i}" for i in range(20_000)]
    reasons = {text or "empty": 3 for text in hostile}
    write_result(
        tmp_path / "out",
        {**rows, "pair": rows["text"]},
        labels=labels,
        rejected=reasons,
        source=f"{HOSTILE['image']}.csv",
    )
    page = result_page(str(tmp_path / "out"))
    assert len(page.encode()) < MAX_BYTES
    opened = open_page(page)
    opened.check()
    assert [row[0] for row in table_of(opened, "Input files")] == [f"{HOSTILE['image']}.csv"]


def test_names_that_every_object_of_javascript_has_are_drawn(tmp_path, open_page):
    names = ["constructor", "toString", "hasOwnProperty", "__proto__", "valueOf", "fine"]
    write_result(
        tmp_path / "out", labelled(60, names), labels=names, rejected=dict.fromkeys(names, 2)
    )
    opened = open_page(result_page(str(tmp_path / "out")))
    opened.check()
    drawn = opened.page.locator(".drawing").all_text_contents()
    for text in (drawn[0], drawn[-1]):  # rows by label, and by reason
        assert all(name in text for name in names)


@pytest.mark.parametrize("character", ["&", '"', "語", "\U0010ffff"])
def test_the_longest_of_everything_fits(tmp_path, character):
    count = 900
    labels = [character * 1_000 + str(i) for i in range(60)]
    nothing = dict.fromkeys(labels, 0.0)
    texts = [character * 1_500 + str(i) for i in range(count)]
    rows = {
        "text": texts,
        "pair": texts,
        "label": [labels[i % 60] for i in range(count)],
        "score": [0.5] * count,
        "probabilities": [
            {**nothing, labels[i % 60]: 0.5, labels[(i + 1) % 60]: 0.4} for i in range(count)
        ],
    }
    write_result(
        *(tmp_path / "out", rows),
        labels=labels,
        kind={"probabilities": True},
        source=f"{character * 50}.csv",
        rejected={character * 1_000 + chr(65 + i): 10 for i in range(20)},
    )
    assert len(result_page(str(tmp_path / "out")).encode()) < 2_500_000


def test_speed_is_drawn_of_a_run_that_took_a_while(tmp_path, open_page):
    manifest = write_result(tmp_path / "out", labelled(30))
    speed = {"seconds": 30.0, "rows": [*[0] * 5, *[3_000] * 35], "before": 7}
    manifest["runs"][-1]["speed"] = speed
    (tmp_path / "out" / "_MANIFEST.json").write_text(json.dumps(manifest))
    opened = open_page(result_page(str(tmp_path / "out")))
    opened.check()
    table = table_of(opened, "Speed over time")
    assert len(table) == 40
    assert table[4:6] == [["2", "0"], ["2.5", "100"]]
    said = opened.page.get_by_role("region", name="The run").inner_text()
    assert "100 rows a second in the middle of its busy intervals of 30 s" in said
    assert "7 rows were done before, by a run that died" in said


def test_windows_cut_nothing(tmp_path, open_page):
    rows = {**labelled(30), "truncated": [False] * 30}
    write_result(tmp_path / "out", rows, long_text="windows")
    opened = open_page(result_page(str(tmp_path / "out")))
    opened.check()
    assert "texts cut" not in figures_of(opened)
    lengths = opened.page.get_by_role("region", name="Lengths").inner_text()
    assert "were read in windows, and none was cut" in lengths


def test_labels_that_no_row_was_given_are_named(tmp_path, open_page):
    write_result(tmp_path / "out", labelled(30), labels=["negative", "positive", "neutral"])
    opened = open_page(result_page(str(tmp_path / "out")))
    assert "No row was given “neutral”." in opened.page.locator(".note").all_text_contents()


def test_one_label_for_all_is_worth_a_word(tmp_path, open_page):
    write_result(tmp_path / "out", {**labelled(30), "label": ["positive"] * 30})
    opened = open_page(result_page(str(tmp_path / "out")))
    said = opened.page.locator(".warning:visible").all_text_contents()
    assert "Every row was given the label “positive”: is this the model?" in said


@pytest.mark.parametrize("content", [None, b"{", b'{"format_version": 1, "runs": []}'])
def test_what_is_no_result_is_refused(tmp_path, content):
    (tmp_path / "out").mkdir()
    if content is not None:
        (tmp_path / "out" / "_MANIFEST.json").write_bytes(content)
    expected = {
        None: "holds no result: give the --output folder of a run that has finished",
        b"{": "is not JSON",
    }.get(content, "has a manifest of format version 1, and this program reads version 3")
    with pytest.raises(UserError, match=expected):
        result_page(str(tmp_path / "out"))


def test_a_result_of_a_pipeline_of_one_s_own_has_no_page(tmp_path):
    with beam.Pipeline("FnApiRunner") as pipeline:
        rows = pipeline | beam.Create([beam.Row(id=1, text="A fine day.")])
        rows | WriteResults(str(tmp_path / "out"))
    with pytest.raises(UserError, match="holds no results of classify or embed, of which reports"):
        result_page(str(tmp_path / "out"))
