import errno
import os

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from models.errors import PresetError, RunError, UserError
from pipelines.failures import root_cause
from transforms.errors import OutputError


def fail_for_the_user(_):
    try:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise OutputError("cannot write to /out: No space left on device") from error


def fail_in_a_library(_):
    raise ValueError("first line\nsecond line")


def fail_without_a_message(_):
    raise KeyError


def fail_in_the_system(_):
    os.listdir("/absent/folder")


def fail_while_cleaning_up(_):
    try:
        raise PresetError("unknown preset 'x'")
    finally:
        raise RuntimeError("could not clean up")


def fail_for_want_of_this_program(_):
    raise ModuleNotFoundError("No module named 'transforms'")


def failure_of(function, *arguments: str) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011, PT012 - any, at any step
        options = PipelineOptions(arguments)
        with beam.Pipeline(runner=FnApiRunner(), options=options) as pipeline:
            _ = pipeline | beam.Create([1]) | "A 'quoted' step" >> beam.Map(function)
    return caught.value


def mistake_in(error: BaseException) -> str:
    cause = root_cause(error)
    assert type(cause) is UserError
    return str(cause)


def failure_in(error: BaseException) -> str:
    cause = root_cause(error)
    assert type(cause) is RunError
    return str(cause)


WORKERS = [(), ("--direct_num_workers=2", "--direct_running_mode=multi_threading")]


@pytest.mark.parametrize("workers", WORKERS)
def test_workers_that_lack_this_program_are_said_to(workers):
    assert mistake_in(failure_of(fail_for_want_of_this_program, *workers)) == (
        "the workers lack this program: install it where they run, or give --setup_file=./setup.py"
    )


@pytest.mark.parametrize("workers", WORKERS)
def test_the_users_mistake_is_its_message_alone(workers):
    error = failure_of(fail_for_the_user, *workers)
    assert mistake_in(error) == "cannot write to /out: No space left on device"


def test_another_error_has_its_type_and_fits_on_a_line():
    assert failure_in(failure_of(fail_in_a_library)) == "ValueError: first line second line"


def test_an_error_without_a_message_is_its_type():
    assert failure_in(failure_of(fail_without_a_message)) == "KeyError"


def run_out_of_memory(_):
    raise MemoryError


def test_an_end_of_the_memory_is_a_sentence():
    message = "MemoryError: the process could get no more memory"
    assert failure_in(failure_of(run_out_of_memory)) == message


def test_an_error_that_beam_cannot_copy_keeps_its_type():
    message = "FileNotFoundError: [Errno 2] No such file or directory: '/absent/folder'"
    assert failure_in(failure_of(fail_in_the_system)) == message


def test_the_users_mistake_is_found_behind_a_later_error():
    assert mistake_in(failure_of(fail_while_cleaning_up)) == "unknown preset 'x'"


def test_an_error_of_the_submitter():
    assert mistake_in(OutputError("give another folder")) == "give another folder"
    assert failure_in(LookupError()) == "LookupError"
    assert failure_in(OSError(errno.ENOSPC, "No space left")) == "OSError: [Errno 28] No space left"


def test_an_error_wrapped_by_another():
    wrapper = RuntimeError("the pipeline failed")
    wrapper.__cause__ = PresetError("unknown preset 'x'")
    assert mistake_in(wrapper) == "unknown preset 'x'"


def test_text_of_a_remote_runner():
    error = RuntimeError(
        "Dataflow pipeline failed. State: FAILED, Error:\n"
        "Traceback (most recent call last):\n"
        '  File "apache_beam/runners/common.py", line 1512, in process\n'
        '  File "/x/transforms/write.py", line 3, in process\n'
        "    raise OutputError('no')\n"
        "    ^^^^^^^^^^^^^^^^^^^^^^^\n"
        "transforms.errors.OutputError: cannot write to gs://b/out: status 403 "
        "[while running 'WriteUnits/WriteParts-ptransform-31']\n"
    )
    assert mistake_in(error) == "cannot write to gs://b/out: status 403"


def test_a_class_that_only_looks_like_ours_is_not_imported():
    error = RuntimeError(
        "Traceback (most recent call last):\n"
        '  File "x.py", line 1, in f\n'
        "elsewhere.errors.OutputError: no [while running 'Step']"
    )
    assert failure_in(error) == "OutputError: no"


def test_a_long_message_is_cut():
    assert len(failure_in(ValueError("x" * 10_000))) < 600


def be_refused_by_google(_):
    from google.api_core.exceptions import Forbidden

    raise Forbidden("POST https://dataflow.googleapis.com/v1b3/projects/p/jobs?x=1: No quota left.")


def test_what_google_refuses_is_told_without_the_request():
    assert failure_in(failure_of(be_refused_by_google)) == "Forbidden: No quota left."
