"""Every row keeps its timestamp, its windows and its pane, in streams too."""

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.test_stream import TestStream as Stream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import trigger, window

from tests.transforms.rows.running import PRESET, Kept
from transforms import ClassifyText, WriteResults
from transforms.reading.layout import BATCH_ROWS


class Where(beam.DoFn):
    """Where a row is: its text, timestamp and window."""

    def process(
        self,
        row,
        timestamp=beam.DoFn.TimestampParam,
        its_window=beam.DoFn.WindowParam,
        pane=beam.DoFn.PaneInfoParam,
    ):
        yield row.text, float(timestamp), float(its_window.start), pane.index


def stamped(text, second):
    return window.TimestampedValue(text, second)


@pytest.mark.parametrize(
    ("windows", "starts"),
    [
        (window.FixedWindows(10), lambda second: [second // 10 * 10]),
        (window.SlidingWindows(20, 10), lambda second: [second // 10 * 10 - 10, second // 10 * 10]),
    ],
    ids=["fixed", "sliding"],
)
def test_rows_stay_in_their_windows_however_many_batches_they_make(windows, starts):
    seconds = range(2 * BATCH_ROWS + 7)
    kept = Kept()
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create(seconds)
            | beam.Map(lambda second: stamped(f"day {second}", second)).with_output_types(str)
            | beam.WindowInto(windows)
            | ClassifyText(PRESET)
            | beam.ParDo(Where())
            | kept
        )
    expected = [
        (f"day {second}", second, start, 0) for second in seconds for start in starts(second)
    ]
    found = [(text, stamp, start, 0) for text, stamp, start, _ in kept.elements]
    assert sorted(found) == sorted(expected)


def test_rows_of_one_bundle_come_out_in_order():
    texts = [f"row {i}" for i in range(BATCH_ROWS + 100)]
    kept = Kept()
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        rows = pipeline | beam.Create([None]) | beam.FlatMap(lambda _: texts)
        rows.element_type = str
        _ = rows | ClassifyText(PRESET) | beam.Map(lambda row: row.text) | kept
    assert kept.elements == texts


def streaming() -> beam.Pipeline:
    return beam.Pipeline(runner=BundleBasedDirectRunner(), options=PipelineOptions(["--streaming"]))


def test_a_stream_is_labelled_as_it_comes():
    events = (
        Stream()
        .add_elements([stamped("A fine day.", 1), stamped("Cold soup, slow service.", 12)])
        .advance_watermark_to(11)
        .add_elements([stamped("A fine day.", 13)])
        .advance_watermark_to(30)
        .add_elements([stamped("A fine day.", 14)])  # late
        .advance_watermark_to_infinity()
    )
    with streaming() as pipeline:
        rows = (
            pipeline
            | events
            | beam.WindowInto(
                window.FixedWindows(10),
                trigger=trigger.AfterWatermark(late=trigger.AfterCount(1)),
                accumulation_mode=trigger.AccumulationMode.DISCARDING,
                allowed_lateness=100,
            )
            | ClassifyText(PRESET)
        )
        assert not rows.is_bounded
        counts = (
            rows
            | beam.Map(lambda row: (row.label, 1))
            | beam.CombinePerKey(sum)
            | beam.Map(lambda pair, it=beam.DoFn.WindowParam: (float(it.start), *pair))
        )
        expected = [(0, "positive", 1), (10, "negative", 1), (10, "positive", 1)]
        assert_that(counts, equal_to([*expected, (10, "positive", 1)]))


def test_a_stream_is_not_written_as_a_result(tmp_path):
    pipeline = streaming()
    rows = pipeline | Stream().add_elements(["a"]).advance_watermark_to_infinity()
    with pytest.raises(ValueError, match=r"publishes a result when all rows are there, and these"):
        _ = rows | ClassifyText(PRESET) | WriteResults(str(tmp_path))
