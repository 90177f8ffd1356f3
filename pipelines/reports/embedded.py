"""The page about the vectors of texts."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.reporting.shown import counted
from pipelines.reporting.waits import waiting
from pipelines.reports import charts
from pipelines.reports.about import (
    lost_figures,
    no_rows,
    of_sample,
    place,
    reject_warning,
    share,
)
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
    Value,
    plain,
)
from pipelines.reports.lengths import lengths_section, truncation_warning
from pipelines.reports.mapped import POINTS, map_of, spread
from pipelines.reports.result import Result
from pipelines.searching.loading import loading_lines
from transforms.vectors.duplicates import Pairs, near_duplicates_among
from transforms.vectors.nearest import Nearest, lengths, unit
from transforms.vectors.plane import Plane, flattened, has_umap, typical_rows
from transforms.vectors.stored import COLUMN, open_vectors

_HELD_BYTES = 64 << 20  # of vectors as float32: wide ones are fewer
_LEAST_COSINE = 0.95
_PAIRS = 15
_TYPICAL = 6
_NEIGHBOURS = 5
_TEXT_CHARACTERS = 300
_BINS = 40
_EQUAL = 1e-3  # by which lengths differ that are the same but for rounding
_MUCH_ALIKE = 0.2  # of the distinct texts in groups of near duplicates is worth a word


@dataclass(frozen=True)
class _Looked:
    """The sampled rows that have a vector.

    Attributes:
        table: The rows, without the vectors.
        texts: Their texts; those of a pair with a bar between.
        lengths: float32 `[rows]`: of the vectors.
        vectors: float32 `[rows, dimensions]`: they, divided by their lengths.
        num_without: How many other rows of the sample have no finite vector.
    """

    table: pa.Table
    texts: list[str]
    lengths: np.ndarray
    vectors: np.ndarray
    num_without: int

    def row(self, index: int) -> str:
        """Returns where a row is from."""
        return place({name: self.table[name][index].as_py() for name in ("source", "position")})


def sections(result: Result) -> list[Section]:
    """Returns the sections about vectors."""
    if not result.manifest["rows"]["written"]:
        return [Section("At a glance", [_figures(result, None), no_rows(result)])]
    looked = _look(result)
    is_first = _first_of_each(looked.texts)
    pairs = near_duplicates_among(looked.vectors[is_first], _LEAST_COSINE, _PAIRS)
    glance = [
        _figures(result, pairs),
        *reject_warning(result),
        *truncation_warning(result),
        *_warnings(looked, is_first, pairs),
    ]
    return [
        Section("At a glance", glance),
        _map_section(result, looked),
        _duplicates_section(looked, is_first, pairs),
        *_neighbours_section(looked, is_first),
        *_norms_section(result, looked),
        *lengths_section(result),
        _use_section(result),
    ]


def _look(result: Result) -> _Looked:
    """Returns the rows to look at: of the sample as many as memory is given for."""
    stored = open_vectors(result.output)
    most = max(1, _HELD_BYTES // (4 * stored.dimensions))
    table = result.rows.take(pa.array(spread(len(result.rows), most)))
    vectors = stored.floats(table[COLUMN].combine_chunks())
    is_there = np.isfinite(vectors).all(axis=1)
    vectors = vectors[is_there]
    table = table.drop_columns([COLUMN]).filter(pa.array(is_there))
    texts = [
        " | ".join(str(text) for text in each)
        for each in zip(*(table[name].to_pylist() for name in result.text_columns), strict=True)
    ]
    without = len(is_there) - len(vectors)
    return _Looked(table, texts, lengths(vectors)[:, 0], unit(vectors), without)


def _first_of_each(texts: list[str]) -> np.ndarray:
    """Returns the numbers of the rows whose text no row before them has."""
    return np.array(sorted({text: i for i, text in reversed([*enumerate(texts)])}.values()), int)


def _figures(result: Result, pairs: Pairs | None) -> Facts:
    rows, embedding = result.manifest["rows"], result.model["embedding"]
    figures: dict[str, Value] = {
        "rows": rows["written"],
        "numbers of a vector": embedding["dimensions"],
        "type": embedding["embedding_dtype"],
    }
    if pairs is not None:
        figures["groups of near duplicates"] = len(pairs.groups)
    return Facts({**figures, **lost_figures(result)}, are_large=True)


def _warnings(looked: _Looked, is_first: np.ndarray, pairs: Pairs) -> list[Block]:
    """Returns what a reader should look into before using vectors."""
    found: list[Block] = []
    if looked.num_without:
        said = f"{looked.num_without:,} of the rows looked at have no finite vector."
        found.append(Prose(said, True))
    grouped = sum(map(len, pairs.groups))
    if len(is_first) > 2 and grouped > _MUCH_ALIKE * len(is_first):
        said = (
            f"{share(grouped, len(is_first))} of the distinct texts that were looked at are near "
            "duplicates of others: is this a model for this language, and pooled as it was trained?"
        )
        found.append(Prose(said, True))
    if no_direction := int(np.count_nonzero(looked.lengths == 0)):
        found.append(Prose(f"{no_direction:,} vectors are all zeros.", True))
    return found


def _map_section(result: Result, looked: _Looked) -> Section:
    chosen = spread(len(looked.vectors), POINTS)
    by = " by UMAP" if has_umap() else ""
    with waiting(f"drawing a map of {counted(len(chosen), 'vector')}{by}"):
        plane = flattened(looked.vectors[chosen])
    if plane is None:
        why = "there is one row" if len(chosen) == 1 else "all vectors have one direction"
        return Section("Map", [Prose(f"There is nothing to draw: {why}.")])
    drawn = map_of(
        plane,
        looked.table.take(pa.array(chosen)),
        [looked.texts[index] for index in chosen],
        result.text_columns,
        _map_said(plane, len(chosen)),
    )
    total = result.sample.total
    which = f"{len(chosen):,} of {total:,} rows" if len(chosen) < total else f"All {total:,} rows"
    intro = (
        f"{which}, a point each: move over one to read its text, drag and scroll to look closer."
    )
    return Section("Map", [drawn], intro)


def _map_said(plane: Plane, points: int) -> str:
    if plane.method == "UMAP":
        return (
            f"{points:,} points by UMAP, which puts texts with a high cosine side by side; how far "
            "groups are apart, and how large they are, says little."
        )
    said = (
        f"{points:,} points on the first two principal components of the vectors' directions, "
        f"which have {share(plane.share or 0, 1)} of their variance: what is apart here is "
        "apart, and what is together may not be."
    )
    if plane.failure is not None:
        return f"{said} UMAP, which shows more groups, failed: {plain(plane.failure)}"
    return said if has_umap() else f"{said} With pip install umap-learn, UMAP shows more groups."


def _duplicates_section(looked: _Looked, is_first: np.ndarray, pairs: Pairs) -> Section:
    copies = len(looked.texts) - len(is_first)
    said = f"Of {len(looked.texts):,} rows that were looked at, "
    said += f"{copies:,} have the text of another one. " if copies else "no two have one text. "
    if not pairs.num_pairs:
        said += f"No two texts have vectors with a cosine of {_LEAST_COSINE} or more."
        return Section("Near duplicates", [], said)
    grouped = sum(map(len, pairs.groups))
    said += (
        f"{counted(pairs.num_pairs, 'pair')} of distinct texts with a cosine of {_LEAST_COSINE} or "
        f"more, in {counted(len(pairs.groups), 'group')} of {grouped:,} rows."
    )
    texts = []
    for score, pair in zip(pairs.scores.tolist(), pairs.rows.tolist(), strict=True):
        first, second = (int(is_first[index]) for index in pair)
        facts: dict[str, Value] = {
            "cosine": f"{score:.3f}",
            "rows": f"{looked.row(first)}, {looked.row(second)}",
        }
        texts.append(Text(looked.texts[first], facts, pair=looked.texts[second]))
    if len(texts) < pairs.num_pairs:
        said += f" The {len(texts)} with the highest are here."
    shown = Texts("Search near duplicates", texts, characters=_TEXT_CHARACTERS)
    return Section("Near duplicates", [shown], said)


def _neighbours_section(looked: _Looked, is_first: np.ndarray) -> list[Section]:
    """Returns the section about the neighbours of some rows, if rows have any."""
    vectors = looked.vectors[is_first]
    if len(vectors) < 2:
        return []
    candidates = spread(len(vectors), POINTS)
    typical = candidates[typical_rows(vectors[candidates], _TYPICAL)].tolist()
    nearest = Nearest(vectors[typical], "cosine", _NEIGHBOURS + 1)
    nearest.add(0, vectors)
    titles = charts.shown_names(looked.texts[int(is_first[row])] for row in typical)
    texts = []
    for query, (row, title) in enumerate(zip(typical, titles.values(), strict=True)):
        facets = {"nearest to": title}
        own = int(is_first[row])
        texts.append(Text(looked.texts[own], {"itself": looked.row(own)}, facets))
        found = zip(nearest.scores(query).tolist(), nearest.rows(query).tolist(), strict=True)
        others = [(score, int(is_first[each])) for score, each in found if each != row]
        texts += [
            Text(looked.texts[each], {"cosine": f"{score:.3f}", "row": looked.row(each)}, facets)
            for score, each in others[:_NEIGHBOURS]
        ]
    intro = (
        f"Of {len(vectors):,} distinct texts, those that are nearest to some which are typical of "
        "groups, the largest group first. A text whose neighbours say something else tells of a "
        "model that does not suit."
    )
    chosen = {"nearest to": next(iter(titles.values()))}
    shown = Texts("Search the neighbours", texts, chosen, _TEXT_CHARACTERS)
    return [Section("Neighbours", [shown], intro)]


def _norms_section(result: Result, looked: _Looked) -> list[Section]:
    """Returns the section about the lengths of vectors, where these say anything."""
    if result.model["embedding"]["embedding_dtype"] == "binary" or not len(looked.lengths):
        return []
    low, middle, high = np.percentile(looked.lengths, [0, 50, 100]).tolist()
    if high - low <= _EQUAL * max(high, 1e-6):
        said = f"All vectors have the length {middle:.3g}."
        return [Section("Lengths of vectors", [Prose(said)], of_sample(result.sample))]
    said = (
        f"Half of the vectors have a length of {middle:.3g} or less; from {low:.3g} to {high:.3g}."
    )
    bins = charts.binned(looked.lengths, _BINS)
    chart = Chart(
        "Lengths of vectors",
        charts.histogram(bins, title="length"),
        said,
        Table("Lengths of vectors", ["from", "to", "rows"], [[*each] for each in bins]),
    )
    return [Section("Lengths of vectors", [chart], of_sample(result.sample))]


def _use_section(result: Result) -> Section:
    embedding = result.model["embedding"]
    facts: dict[str, Value] = {
        "vectors": f"{embedding['dimensions']} × {embedding['embedding_dtype']}",
        "pooling": embedding["pooling"],
        "normalized": embedding["normalize"],
        "modules": ", ".join(embedding["modules"]),
        "before every text": repr(embedding["prefix"]) if embedding["prefix"] else "nothing",
        "prompt": embedding["prompt"],
    }
    shown = {name: value for name, value in facts.items() if value not in (None, "")}
    lines = loading_lines(result.output, result.manifest)
    return Section(
        "Use the vectors", [Facts(shown), *(Code(name, code) for name, code in lines.items())]
    )
