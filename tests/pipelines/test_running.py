import pytest

from models.errors import UserError
from pipelines.known_presets import check_reach
from pipelines.running import is_local, runner_of


@pytest.mark.parametrize(
    ("flags", "runner"),
    [
        ([], "FnApiRunner"),
        (["--temp_location=gs://b/t"], "FnApiRunner"),
        (["--runner=DataflowRunner", "--project=p"], "DataflowRunner"),
        (["--project=p", "--runner", "PortableRunner"], "PortableRunner"),
    ],
)
def test_the_runner_is_found_among_the_flags_of_beam(flags, runner):
    assert runner_of(flags) == runner


def test_runners_of_this_process_are_told_from_others():
    assert is_local("FnApiRunner")
    assert is_local("DirectRunner")
    assert not is_local("DataflowRunner")
    assert not is_local("PortableRunner")


def test_dataflow_takes_presets_that_its_workers_read_from_a_bucket_or_have(tiny_preset):
    for name in ("sentiment_tiny_en", "gs://b/presets/mine"):
        check_reach(name, "DataflowRunner")
    check_reach(str(tiny_preset), "FnApiRunner")
    with pytest.raises(UserError, match=r"is on this machine only; .*presets fetch .* --output=gs"):
        check_reach(str(tiny_preset), "DataflowRunner")
    for name in ("bert_tiny_en_uncased_sst2", "hf://owner/name"):
        with pytest.raises(UserError, match="is at a hub, which every worker would ask"):
            check_reach(name, "DataflowRunner")
