"""The page about vectors, of results that `embed` made."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines import embed as embed_command
from pipelines.reports import embedded
from pipelines.reports.making import result_page
from pipelines.reports.mapped import colourings_of, spread
from tests.pipelines.command_runs import run
from tests.pipelines.conftest import TEXTS
from tests.pipelines.reports.test_page import HOSTILE
from transforms.vectors import plane

SECTIONS = [
    *("At a glance", "Map", "Near duplicates", "Neighbours", "Lengths of vectors", "Lengths"),
    *("Use the vectors", "Inputs", "Model and versions", "The run"),
]

Embed = Callable[..., str]


@pytest.fixture(autouse=True)
def no_umap(monkeypatch):
    """UMAP takes seconds to be imported, and is not everywhere."""
    for module in (plane, embedded):
        monkeypatch.setattr(module, "has_umap", lambda: False)


@pytest.fixture
def embed(tiny_preset: Path, tmp_path: Path) -> Embed:
    """Embeds rows; returns the folder of the result."""

    def run_embed(rows: Sequence[Mapping[str, Any]], *flags: str) -> str:
        (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
        output = str(tmp_path / "out")
        given = (f"--preset={tiny_preset}", f"--input={tmp_path}/rows.jsonl", f"--output={output}")
        found = run(embed_command.main, tmp_path, *given, *flags)
        assert found.code == 0, found.err
        return output

    return run_embed


def rows_of(count: int) -> list[dict[str, Any]]:
    """Rows with columns of several kinds; every tenth text is that of an earlier row."""
    return [
        {
            "text": f"{TEXTS[i % 10]} {i - i % 10 if i % 10 else 0}",
            "topic": ["food", "film", "rooms"][i % 3],
            "stars": i % 5,
            "price": None if i % 7 == 0 else 10 * i,
            "name": f"name {i}",
        }
        for i in range(count)
    ]


def sections_of(opened) -> list[str]:
    return opened.page.get_by_role("heading", level=2).all_text_contents()


def test_vectors_are_on_a_page(embed, open_page, look):
    opened = open_page(result_page(embed(rows_of(60))), *look)
    opened.check()
    assert sections_of(opened) == SECTIONS
    page = opened.page
    figures = dict(
        zip(
            page.locator(".figures dt").all_text_contents(),
            page.locator(".figures dd").all_text_contents(),
            strict=True,
        )
    )
    assert figures["rows"] == "60"
    assert (figures["numbers of a vector"], figures["type"]) == ("16", "float32")
    said = page.locator("main").inner_text()
    assert "first two principal components" in said
    assert "With pip install umap-learn, UMAP shows more groups" in said
    assert "5 have the text of another one" in said
    assert "All vectors have the length" not in said  # they are not normalized
    code = page.locator("pre").all_text_contents()
    assert any("python -m pipelines.search" in lines for lines in code)
    assert any("embedding::float[16]" in lines for lines in code)


def test_points_are_coloured_by_the_column_that_is_chosen(embed, open_page):
    opened = open_page(result_page(embed(rows_of(60))))
    page = opened.page
    select = page.get_by_label("colour by")
    assert select.locator("option").all_text_contents() == [
        *("topic", "stars", "num_tokens", "price", "nothing")
    ]
    canvas = page.locator("[data-recolour] [data-drawn] canvas")
    seen = [canvas.evaluate("(canvas) => canvas.toDataURL()")]
    for name in ("price", "nothing", "topic"):
        select.select_option(label=name)
        seen.append(canvas.evaluate("(canvas) => canvas.toDataURL()"))
    assert len(set(seen[:3])) == 3
    assert seen[3] == seen[0]
    assert "name (too many values)" in page.locator("figure.chart .note").first.inner_text()
    assert (opened.violations, opened.requests) == ([], [opened.url])


def test_of_colours_chosen_in_quick_succession_the_last_stays(embed, open_page):
    page = open_page(result_page(embed(rows_of(60)))).page
    canvas = page.locator("[data-recolour] [data-drawn] canvas")
    first = canvas.evaluate("(canvas) => canvas.toDataURL()")
    select = page.get_by_label("colour by")
    names = select.locator("option").all_text_contents()
    page.evaluate(
        """(names) => {
            const select = document.querySelector("[data-recolour] select");
            for (const index of names.keys()) {
                select.selectedIndex = names.length - 1 - index;
                select.dispatchEvent(new Event("change"));
            }
        }""",
        names,
    )
    assert canvas.evaluate("(canvas) => canvas.toDataURL()") == first


def test_a_point_tells_its_text_its_row_and_its_value(embed, open_page):
    page = open_page(result_page(embed(rows_of(3)))).page
    canvas = page.locator("[data-recolour] canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    tip = page.locator(".tip")
    for y in np.arange(60, box["height"], 4):
        for x in np.arange(4, box["width"], 60):
            page.mouse.move(box["x"] + x, box["y"] + y)
            page.mouse.move(box["x"] + x + 56, box["y"] + y, steps=14)
            if tip.is_visible():
                break
        if tip.is_visible():
            break
    shown = tip.inner_text()
    assert any(text in shown for text in TEXTS[:3])
    assert "rows.jsonl at" in shown
    assert any(topic in shown for topic in ("food", "film", "rooms"))


@pytest.mark.parametrize("dtype", ["float16", "int8", "binary"])
@pytest.mark.parametrize("output_format", ["csv", "parquet"])
def test_every_type_of_vectors_has_a_page(embed, open_page, dtype, output_format):
    flags = (f"--embedding_dtype={dtype}", f"--output_format={output_format}")
    opened = open_page(result_page(embed(rows_of(30), *flags)))
    opened.check()
    expected = [name for name in SECTIONS if dtype != "binary" or name != "Lengths of vectors"]
    assert sections_of(opened) == expected


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([None], "The result has no rows: 1 were read, 1 rejected."),
        (["one"], "There is nothing to draw: there is one row."),
        (["one"] * 30, "There is nothing to draw: all vectors have one direction."),
        (["one", "two"], "which have 100.0% of their variance"),
        (["", "", "a"], "3 rows that were looked at, 1 have the text of another one"),
    ],
    ids=["none", "one", "same", "two", "empty"],
)
def test_few_or_equal_rows_have_a_page(embed, open_page, texts, said):
    opened = open_page(result_page(embed([{"text": text} for text in texts])))
    opened.check()
    assert said in opened.page.locator("main").inner_text()


def test_normalized_vectors_have_one_length(embed):
    assert "All vectors have the length 1." in result_page(embed(rows_of(20), "--normalize"))


def test_texts_and_values_are_data(embed, open_page):
    hostile = [text[:1000] for text in HOSTILE.values()]
    rows = [
        {"text": text, "topic": text[:80], '"><b>column': text[:20], "--accent": i}
        for i, text in enumerate(hostile)
    ]
    opened = open_page(result_page(embed(rows)))
    for name in opened.page.get_by_label("colour by").locator("option").all_text_contents():
        opened.page.get_by_label("colour by").select_option(label=name)
        opened.page.locator("[data-recolour] [data-drawn]").wait_for()
    opened.check()


def test_many_near_duplicates_are_warned_of(embed):
    rows = [{"text": f"{TEXTS[0]}{' ' * i}"} for i in range(9)]
    page = result_page(embed(rows))
    assert "of the distinct texts that were looked at are near duplicates of others" in page
    assert "The 15 with the highest are here." in page


def test_only_as_many_vectors_as_there_is_memory_for_are_looked_at(embed, monkeypatch):
    monkeypatch.setattr(embedded, "_HELD_BYTES", 16 * 4 * 12)
    assert "Of 12 rows that were looked at" in result_page(embed(rows_of(60)))


# Colours


def colourings(**columns: Any) -> tuple[dict[str, Any], str]:
    table = pa.table({"text": ["x"] * 40, "position": range(40), **columns})
    found, left_out = colourings_of(table, ["text"])
    return {each.name: each for each in found}, left_out


def test_columns_of_few_values_are_categories_and_numbers_are_numbers():
    found, left_out = colourings(
        some=["a", "b", None, "a"] * 10,
        flags=[True, False] * 20,
        few=[3, 1, 2, 1] * 10,
        many=range(40),
        numbers=[0.5, float("nan"), float("inf"), None] * 5 + [1.5] * 20,
        times=pa.array(range(0, 40_000, 1000), pa.timestamp("ms")),
        days=pa.array(range(40), pa.date32()),
        one=["same"] * 40,
        nothing=pa.nulls(40, pa.string()),
        names=[f"name {i}" for i in range(40)],
        lists=[[1]] * 40,
        source=["gs://a/b.txt", "gs://a/c.txt"] * 20,
    )
    assert list(found) == [*("some", "flags", "few", "source", "many", "numbers", "times", "days")]
    assert found["some"].categories == ["a", "b", "(none)"]
    assert found["some"].greys == {"(none)"}
    assert found["flags"].categories == ["yes", "no"]
    assert found["few"].categories == ["1", "2", "3"]
    assert found["source"].categories == ["b.txt", "c.txt"]
    assert found["numbers"].values[:4] == [0.5, None, None, None]
    assert found["times"].values[:2] == [0, 1000]
    assert found["days"].values[:2] == [0, 86_400_000]
    assert left_out == (
        "Not to be coloured by: one (all alike); nothing (empty); names (too many values); "
        "lists (no numbers or names)."
    )


def test_the_most_common_of_many_values_have_colours():
    values = [f"value {i}" for i in range(15)] + ["others"] * 15 + ["value 0"] * 10
    found, _ = colourings(values=values)
    assert found["values"].categories[:2] == ["others", "value 0"]
    assert len(found["values"].categories) == 10
    assert found["values"].greys == {"others*"}
    assert found["values"].values[14] == "others*"


def test_rows_are_taken_from_all_over():
    assert spread(10, 20).tolist() == list(range(10))
    assert spread(1000, 3).tolist() == [0, 499, 999]
    assert spread(0, 5).tolist() == []
