"""What goes through a shuffle: bytes of units, and of the names of those that are done.

    python -m benchmarks.shuffled_bytes

Plans corpora of files that need not be there, and encodes what a runner would, with the coders that
Beam chooses for the pipeline. No row is among it (`tests/pipelines/test_fusion.py`).
"""

import argparse
import hashlib
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace

import apache_beam as beam
from apache_beam.coders import Coder, WindowedValueCoder, registry
from apache_beam.coders.coders import GlobalWindowCoder
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import PANE_INFO_UNKNOWN

from pipelines.command import SAMPLE
from transforms.files import CorpusFile
from transforms.read import ReadUnits
from transforms.reading.corpus import Corpus, plan_corpus
from transforms.reading.units import plan_units, unit_bytes_of
from transforms.write import WriteUnits
from transforms.writing.output import OutputPlan, reserve_output
from transforms.writing.schemas import OutputSchemas

# Bytes of a file: many to a unit, a few to a unit, and several units each.
_FILE_BYTES = {"100 kB": 100_000, "100 MB": 100_000_000, "1 GB": 1_000_000_000}


def main() -> None:
    """Prints units and bytes of corpora of files of several sizes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=10_000)
    files = parser.parse_args().files
    sample = plan_corpus([str(SAMPLE)])
    with tempfile.TemporaryDirectory() as folder:
        reservation = reserve_output(f"{folder}/out")
        pipeline = _pipeline(sample, reservation.plan)
        reservation.close(finished=False)
    units_coder, names_coder = _coders_of_groups(pipeline)
    print(f"{files:,} files")
    for name, size in _FILE_BYTES.items():
        corpus = replace(sample, files=tuple(_files(files, size)))
        units = plan_units(corpus)
        # A random number, and the unit without a time or a pane of its own: Beam's Reshuffle.
        keyed = [(random.getrandbits(32), (unit, None, PANE_INFO_UNKNOWN)) for unit in units]
        sent = sum(_bytes(units_coder, each) for each in keyed)
        back = sum(_bytes(names_coder, (None, unit.name)) for unit in units)
        print(
            f"  of {name}: {len(units):,} units of {unit_bytes_of(corpus) / 2**20:.0f} MiB; units "
            f"{sent:,} bytes, {sent / files:,.0f} a file; names of those done {back:,} bytes"
        )


def _pipeline(corpus: Corpus, plan: OutputPlan) -> beam.Pipeline:
    pipeline = beam.Pipeline("FnApiRunner")
    _ = pipeline | ReadUnits(corpus) | WriteUnits(plan, OutputSchemas(corpus.schema, {}), {})
    return pipeline


def _files(count: int, size: int) -> Iterator[CorpusFile]:
    """Yields files as a bucket lists them."""
    for i in range(count):
        digest = hashlib.sha256(str(i).encode()).hexdigest()[:8]
        path = f"gs://corpus-bucket/reviews/2026/11/part-{i:05d}-of-{count:05d}.jsonl"
        yield CorpusFile(path, size, f"179579{i:010d}", f"crc32c:{digest}")


def _coders_of_groups(pipeline: beam.Pipeline) -> list[Coder]:
    """Returns the coders of what the groupings of a pipeline are given, in their order."""
    kinds = []

    class Visitor(PipelineVisitor):
        def enter_composite_transform(self, transform_node: AppliedPTransform) -> None:
            self.visit_transform(transform_node)

        def visit_transform(self, transform_node: AppliedPTransform) -> None:
            if isinstance(transform_node.transform, beam.GroupByKey):
                (given,) = transform_node.main_inputs.values()
                kinds.append(given.element_type)

    pipeline.visit(Visitor())
    return [WindowedValueCoder(registry.get_coder(kind), GlobalWindowCoder()) for kind in kinds]


def _bytes(coder: Coder, value: object) -> int:
    return len(coder.encode(GlobalWindows.windowed_value(value)))


if __name__ == "__main__":
    main()
