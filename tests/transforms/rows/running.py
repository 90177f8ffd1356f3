"""Pipelines of one's own on this machine, and what comes out of them."""

import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

PRESET = "sentiment_tiny_en"
TEXTS = ["A fine day.", "Cold soup, slow service.", "", "Größte Freude 😂", "a" * 3000]


class Kept(beam.PTransform):
    """Keeps the elements of a PCollection, in the process that runs the pipeline.

    Attributes:
        elements: The elements, when the pipeline has ended.
    """

    _KEPT: ClassVar[dict[str, list[Any]]] = {}

    def __init__(self) -> None:
        super().__init__()
        self._key = uuid.uuid4().hex
        self.elements = self._KEPT[self._key] = []

    def expand(self, pcoll):
        return pcoll | beam.Map(self._keep, self._key)

    @classmethod
    def _keep(cls, element: Any, key: str) -> None:
        cls._KEPT[key].append(element)

    def __getstate__(self) -> dict[str, Any]:
        return {"_key": self._key}


def run(elements: Iterable[Any], transform: beam.PTransform, element_type: Any = None) -> list[Any]:
    """Returns what comes of a transform and of a shuffle, which encodes it by its type hint."""
    kept = Kept()
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        rows = pipeline | beam.Create(list(elements))
        if element_type is not None:
            rows.element_type = element_type
        _ = rows | transform | beam.Reshuffle() | kept
    return kept.elements


def pipeline_of(*flags: str) -> beam.Pipeline:
    """Returns a pipeline that runs in this process."""
    return beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions(flags))


def rows_in(folder: Path) -> list[dict[str, Any]]:
    """Returns the rows of the Parquet files of a folder."""
    return pa.concat_tables(map(pq.read_table, sorted(folder.glob("*.parquet")))).to_pylist()
