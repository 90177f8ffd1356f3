"""The page about a trained preset: how it learned, how well it does, where it is wrong.

It shows what `training.json` records, which holds no texts: those that the preset was wrong about
are on the page only if `python -m pipelines.finetune` makes it, which has just read them.
"""

import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from pipelines.finetuning.figures import TITLES, spell
from pipelines.reporting.shown import counted
from pipelines.reports.blocks import (
    Block,
    Chart,
    Code,
    Facts,
    Prose,
    Section,
    Table,
    Text,
    Texts,
    plain,
)
from pipelines.reports.charts import bars
from pipelines.reports.page import Page
from pipelines.reports.trained import charts
from pipelines.reports.trained.figures import CHARTED_LABELS, figure_sections, learned_rows, short

_EPOCHS = 1_000
_MISTAKES = 50
_TEACHER = "its teacher"

TEXTLESS = (
    "Their texts are not here: a preset keeps none of the texts that it was judged by, because it "
    "is copied and published more freely than they are. The report that python -m "
    "pipelines.finetune --report=FILE makes at the end of a training has them. A position is the "
    "number of the row in CSV, Parquet and the like, the offset of the line in others."
)
"""Why a page made from a preset alone has no texts."""


def trained_page(record: Mapping[str, Any], place: str) -> Page:
    """Returns the page about a trained preset.

    Args:
        record: What its `training.json` holds, perhaps with the texts of its mistakes.
        place: Where the preset is, as a user writes it.
    """
    data = record["data"]
    subtitle = (
        f"{_capital(_origin(record))}: learned from {data['train']:,} texts, judged by "
        f"{data['validation']:,} others"
    )
    sections = [
        _outcome(record),
        _course(record),
        *figure_sections(record),
        _mistakes(record),
        _next(record, place),
        _data(record),
        _settings(record),
    ]
    name = PurePath(place.rstrip("/")).name or place
    return Page(name, subtitle, [section for section in sections if section is not None])


def _origin(record: Mapping[str, Any]) -> str:
    start, teacher = record["start"], record["arguments"].get("teacher")
    origin = f"fine-tuned from {start}" if isinstance(start, str) else "trained from scratch"
    if isinstance(start, Mapping) and "preset" in start:
        origin = f"trained from parts of {start['preset']}"
    elif isinstance(start, Mapping) and "word_embeddings" in start:
        origin = f"trained from the word embeddings of {start['word_embeddings']}"
    return f"{origin} by the teacher {teacher}" if teacher else origin


def _outcome(record: Mapping[str, Any]) -> Section:
    figures = record["figures"]
    shown = [name for name in figures if name in TITLES]
    teacher = record.get("teacher")
    models = {
        "this model": figures,
        **({_TEACHER: teacher["figures"]} if teacher else {}),
        **figures["baselines"],
    }
    metric = figures["metric"]
    is_error = metric in ("rmse", "mae")
    best_other = (min if is_error else max)(
        figures["baselines"], key=lambda name: figures["baselines"][name][metric]
    )
    summary = (
        f"{TITLES[metric]} of this model is {spell(metric, figures[metric])}; of {best_other} it "
        f"is {spell(metric, figures['baselines'][best_other][metric])}."
        + (" Lower is better." if is_error else "")
    )
    facts = {TITLES[name]: spell(name, figures[name]) for name in shown}
    facts["rows it was judged by"] = f"{record['data']['validation']:,}"
    if "seconds" in record:
        facts["time to train"] = _time(record["seconds"])
    values = {name: float(of[metric]) for name, of in models.items()}
    blocks: list[Block] = [
        Facts(facts, are_large=True),
        *(Prose(f"{_capital(warning)}.", is_warning=True) for warning in record["warnings"]),
        Chart(
            "Beside its teacher and simpler models" if teacher else "Beside simpler models",
            charts.figures(values, TITLES[metric], is_share=not is_error, is_ours="this model"),
            _capital(summary),
            Table(
                "Figures of this model and of others",
                ["", *(TITLES[name] for name in shown)],
                [[name, *(spell(each, of[each]) for each in shown)] for name, of in models.items()],
            ),
        ),
    ]
    if teacher:
        blocks.append(_size_and_speed(teacher))
    how = (
        "given with --validation" if record["arguments"]["validation"] else "held out of the input"
    )
    intro = (
        f"Judged by rows {how}, which the model did not learn from. The epoch was chosen by them, "
        "so expect slightly lower figures on other rows."
    )
    return Section("How well it does", blocks, intro)


def _size_and_speed(teacher: Mapping[str, Any]) -> Table:
    sides = {"this model": teacher["student"], _TEACHER: teacher}
    return Table(
        f"Size, and speed on {teacher['timed_rows']:,} of these rows where it was trained",
        ["", "parameters", "MB", "rows/s"],
        [
            [name, of["parameters"], of["megabytes"], of["rows_per_second"]]
            for name, of in sides.items()
        ],
    )


def _course(record: Mapping[str, Any]) -> Section:
    history, kept = record["history"], record["best_epoch"]
    names = [name for name in history if f"val_{name}" in history]
    blocks: list[Block] = []
    table = Table(
        "Every epoch",
        ["epoch", *(_titled(name) for name in history)],
        [
            [str(epoch), *values]
            for epoch, values in enumerate(zip(*history.values(), strict=True), 1)
        ][:_EPOCHS],
    )
    ran = len(next(iter(history.values())))
    for name in sorted(names, key=lambda each: each != "loss") if ran > 1 else ():
        rows = [
            {"epoch": epoch, "value": float(value), "rows": kind}
            for kind, values in (
                ("rows learned from", history[name]),
                ("rows judged by", history[f"val_{name}"]),
            )
            for epoch, value in enumerate(values[:_EPOCHS], 1)
            if value is not None
        ]
        if not rows:
            continue
        title, judged = name.replace("_", " "), history[f"val_{name}"]
        blocks.append(
            Chart(
                f"{_capital(title)} by epoch",
                charts.curves(rows, title=title, kept=kept),
                f"On the rows judged by, {title} goes from {short(judged[0])} in the first epoch "
                f"to {short(judged[-1])} in the last; in epoch {kept}, which was kept, it is "
                f"{short(judged[kept - 1])}.",
                table,
                note="The dashed line is the epoch that was kept.",
            )
        )
    if not blocks:
        blocks.append(table)
    recipe = record["recipe"]
    intro = (
        f"{counted(ran, 'epoch')} of at most {recipe['epochs']}, in batches of "
        f"{counted(recipe['batch_size'], 'row')}; number {kept} was kept. Each epoch is judged "
        "with the moving average of the weights."
    )
    if "seconds" in history:
        intro += f" An epoch took {_time(sum(history['seconds']) / ran)} on average."
    return Section("How it learned", blocks, intro)


def _mistakes(record: Mapping[str, Any]) -> Section | None:
    mistakes = record["figures"].get("mistakes", ())[:_MISTAKES]
    if not mistakes:
        return None
    is_number = "sample" in record["figures"] or record["kind"] == "a number"
    heads = ["label", "predicted", "off by" if is_number else "score"]
    told = [
        [_spelled(mistake["label"]), _spelled(mistake["predicted"]), float(mistake["score"])]
        for mistake in mistakes
    ]
    if all("position" in mistake for mistake in mistakes):
        heads += ["file", "position"]
        for each, mistake in zip(told, mistakes, strict=True):
            each += [plain(mistake["file"]), str(int(mistake["position"]))]
    title = "Its worst mistakes"
    intro = (
        "The rows that are furthest off."
        if is_number
        else "The rows that it was surest about and wrong: look here for labels of the data that "
        "are themselves wrong, and for what it has not understood."
    )
    if not all("text" in mistake for mistake in mistakes):
        return Section(title, [Prose(TEXTLESS), Table(title, heads, told)], intro)
    texts = [
        Text(
            mistake["text"],
            dict(zip(heads, each, strict=True)),
            {} if is_number else {"label": str(each[0]), "predicted": str(each[1])},
            mistake.get("pair"),
        )
        for mistake, each in zip(mistakes, told, strict=True)
    ]
    return Section(title, [Texts("Search the mistakes", texts)], intro)


def _next(record: Mapping[str, Any], place: str) -> Section:
    arguments = record["arguments"]
    command = [
        "python -m pipelines.classify",
        f"--preset={shlex.quote(place)}",
        "--input=NEW_TEXTS",
    ]
    for flag in ("text_column", "text_pair_column"):
        if arguments[flag] not in (None, "text"):
            command.append(f"--{flag}={shlex.quote(arguments[flag])}")
    command += ["--output=labels/", "--report=labels.html"]
    return Section(
        "What to do next",
        [Code("Label other texts", " \\\n    ".join(command))],
        "NEW_TEXTS is a file, a folder or a glob of texts in the same form as those learned from.",
    )


def _data(record: Mapping[str, Any]) -> Section:
    data = record["data"]
    tokens = data["tokens"]
    facts: dict[str, Any] = {
        "texts learned from": data["train"],
        "texts judged by": data["validation"],
        "tokens of a text": f"half have up to {tokens['median']}, 95% up to {tokens['95%']}, the "
        f"longest {tokens['longest']}",
        f"cut at {record['sequence_length']} tokens": f"{data['cut']:.1%}",
        "texts with different labels": data["contradictions"],
    }
    facts |= {f"left out: {plain(reason)}": count for reason, count in data["left_out"].items()}
    blocks: list[Block] = [Facts(facts)]
    learned = learned_rows(record)
    if len(learned) > 1:
        most = sorted(learned, key=lambda label: -learned[label])
        values = {label: learned[label] for label in most[:CHARTED_LABELS]}
        blocks.append(
            Chart(
                "Rows learned from, by label",
                bars(values, title="rows", value_format="~s"),
                f"{counted(len(learned), 'label')}; {plain(most[0])} has the most rows, "
                f"{learned[most[0]]:,}, {plain(most[-1])} the fewest, {learned[most[-1]]:,}."
                + (f" The {len(values)} largest are drawn." if len(most) > len(values) else ""),
            )
        )
    return Section("What it learned from", blocks)


def _settings(record: Mapping[str, Any]) -> Section:
    given = {
        f"--{name}": ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in record["arguments"].items()
        if value not in (None, [], "")
    }
    made = {
        "Textbeam": record["textbeam"],
        "Python": record["python"],
        "Keras": record["keras"],
        "backend": record.get("backend", "tensorflow"),
    }
    recipe = {name.replace("_", " "): value for name, value in record["recipe"].items()}
    return Section(
        "How to make it again",
        [Facts({**recipe, **given, **made})],
        "All of it, with every figure, is in training.json of the preset.",
    )


def _spelled(label: Any) -> str | float:
    if isinstance(label, list):
        return plain(" + ".join(map(str, label))) or "no label"
    return float(label) if isinstance(label, (int, float)) else plain(str(label))


def _titled(name: str) -> str:
    """Returns the name of a figure of an epoch, as a person reads it."""
    words = name.removeprefix("val_").replace("_", " ")
    return f"{words}, rows judged by" if name.startswith("val_") else words


def _time(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
