"""What the commands that read a corpus, run a model and write results have in common."""

import functools
import math
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import backends
from models.backends import importing, version_of
from models.errors import RunError, UserError
from pipelines import __version__
from pipelines.flags import options
from pipelines.job import Asked, MakeJob, Plan, ask, make_plan
from pipelines.reporting.console import leaving, print_error
from pipelines.reporting.json_lines import json_line
from pipelines.reporting.json_summary import as_json
from pipelines.reporting.outcome import tell_outcome
from pipelines.reporting.shown import counted, visible
from pipelines.reporting.summary_file import SummaryFile
from pipelines.reports.making import check_report, report_result

if TYPE_CHECKING:
    import argparse

    import apache_beam as beam

    from pipelines.running import JobState
    from transforms.files import CorpusFile
    from transforms.progress import RunProgress
    from transforms.writing.output import Reservation, Todo
    from transforms.writing.records import UnitsToDo

SAMPLE = Path(__file__).parent / "sample" / "reviews.jsonl"

# Packages that shape the result.
_DONE = "the results are written"

_VERSIONED = ("apache-beam", "tensorflow", "tensorflow-text", "keras", "pyarrow")


def run_job(parser: options.Parser, argv: Sequence[str], make_job: MakeJob) -> int:
    """Plans a run, runs it and prints its summary; returns the exit code.

    Args:
        parser: Parser of the command's flags.
        argv: The flags.
        make_job: Makes the command's job.

    Raises:
        UserError: Something does not exist, or does not fit together.
    """
    args, beam_flags = parser.parse(argv)
    options.check_job_flags(args)
    args.output = args.output or args.sample_output
    summary = SummaryFile(args.summary_json) if args.summary_json is not None else None
    _choose_backend(args)
    check_report(args.report, _ends_early(args, beam_flags))
    if args.plan:
        from pipelines.planning.command import plan_job

        if summary:
            summary.begin()
        return plan_job(args, make_job, args.input or [str(SAMPLE)])

    # Imported here, so that --help and a mistyped flag are answered at once.
    from pipelines.dataflow.asking import asks
    from pipelines.running import checked_runner, is_local
    from transforms.reading.corpus import find_files
    from transforms.writing.output import reserve_output

    runner, beam_flags = checked_runner(args, beam_flags)
    asked = ask(args, make_job)
    files = find_files(args.input or [str(SAMPLE)])
    if summary:
        summary.begin()
    reservation = reserve_output(
        args.output,
        if_exists=args.if_exists,
        settings=asked.settings,
        metadata=asked.shared,
        output_format=args.output_format,
        replace_if=None if args.input else _is_sample_run,
        elsewhere=not is_local(runner),
        files=files,
        ask_job=asks(beam_flags),
    )
    return _run(asked, files, reservation, beam_flags)


def _choose_backend(args: "argparse.Namespace") -> None:
    """Makes Keras use the backend that is asked for, which must have the precision."""
    options.choose_backend(args)
    if args.precision == "int8" and backends.name() != "tensorflow":
        raise UserError(
            f"--precision=int8 is for TensorFlow, and the backend is {backends.name()}: choose "
            "bfloat16, float32 or fast"
        )


def _ends_early(args: "argparse.Namespace", beam_flags: Sequence[str]) -> str | None:
    """Returns the flag by which a command ends before there is a result, if one is given."""
    if args.plan or args.detach:
        return "--plan" if args.plan else "--detach"
    flag = "--template_location"
    return flag if options.value_of(flag, beam_flags) else None


# What Beam and Keras import wherever it is installed, for what is not used here; it takes a second
# or two.
@importing.without("torch", "sklearn")
def _run(
    asked: Asked,
    files: "Sequence[CorpusFile]",
    reservation: "Reservation",
    beam_flags: Sequence[str],
) -> int:
    """Does what a reserved folder lacks, gives the folder back and prints the summary."""
    from pipelines.dataflow.staging import with_staged_preset
    from pipelines.running import JobState
    from transforms.progress import RunProgress
    from transforms.writing.interrupts import wait_for_work
    from transforms.writing.manifest import last_run, read_manifest

    output = asked.args.output
    progress = RunProgress()
    began = time.monotonic()
    job = JobState(is_detached=asked.args.detach)
    try:
        todo = reservation.compare(files)
        if not todo.files and reservation.earlier is not None:
            reservation.close(finished=True)
            return _report_nothing_to_do(asked.args, reservation.earlier, todo)
        plan = make_plan(asked, todo, reservation)
        if plan is not None:
            _execute(with_staged_preset(plan, beam_flags), beam_flags, progress, job)
    except BaseException as error:
        wait_for_work()
        explained = _explained(error, reservation, job)
        if explained is error:
            raise
        raise explained from error
    if job.template is not None:  # nobody waits for what somebody else will start
        return _report_written(asked.args, reservation.plan.run_id, job.template)
    if job.is_detached and not job.has_ended:
        return _report_submitted(asked.args, reservation.plan.run_id, job)
    with leaving(_DONE):
        manifest = read_manifest(output)
        is_done = plan is None or last_run(manifest) == reservation.plan.run_id
        reservation.close(finished=is_done)
        if manifest is None or not is_done:
            print_error(
                f"{output} holds no results of this run: its job did not start, or did not finish"
            )
            return 1
        start = progress.model_ready and progress.model_ready - began
        return _report(asked.args, manifest, todo, start)


def _explained(error: BaseException, reservation: "Reservation", job: "JobState") -> BaseException:
    """Gives a folder back after a run that stopped; returns the error, with what is left of it."""
    if not job.has_ended:
        return _with(error, job.said)
    if reservation.is_published():
        reservation.close(finished=True)
        return _with(error, "the results were published before, and are whole")
    share = reservation.close(finished=False)
    if not share or not isinstance(error, (KeyboardInterrupt, RunError, UserError)):
        return error
    return _with(error, f"{share:.0%} of the work is kept: go on with --if_exists=update")


def _with(error: BaseException, more: str) -> BaseException:
    return type(error)(f"{error}; {more}" if str(error) else more)


def _report_submitted(args: "argparse.Namespace", run_id: str, job: "JobState") -> int:
    """Says how to watch a job that is left alone; returns the exit code."""
    said = {"status": "submitted", "output": args.output, "run_id": run_id, "job": job.identity}
    watch = f"watch it with: {visible(job.watch)}"
    tell_outcome(args, json_line(said), watch, lambda: print(watch), job.said)
    return 0


def _report_written(args: "argparse.Namespace", run_id: str, template: str) -> int:
    """Says where a job was written that somebody else will start; returns the exit code."""
    said = {"status": "written", "output": args.output, "run_id": run_id, "template": template}
    where = f"wrote the job to {visible(template)}; {visible(args.output)} is reserved for it"
    done = f"the job is written to {visible(template)}"
    tell_outcome(args, json_line(said), where, lambda: print(where), done)
    return 0


def _report_nothing_to_do(
    args: "argparse.Namespace", manifest: Mapping[str, Any], todo: "Todo"
) -> int:
    """Says that a result is up to date; returns the exit code."""
    rows, files = manifest["rows"]["written"], len(manifest["inputs"])
    size = f"{counted(rows, 'row')} of {counted(files, 'input file')}"
    gone = f"; {todo.num_vanished:,} of them gone, with their rows kept"
    said = f"{visible(args.output)} is up to date: {size}{gone if todo.num_vanished else ''}"
    summary = as_json(manifest, output=args.output, todo=todo, is_new=False)
    tell_outcome(args, summary, said, lambda: print(said), said)
    return 0 if report_result(args.output, args.report) else 1


def _report(
    args: "argparse.Namespace", manifest: Mapping[str, Any], todo: "Todo", start: float | None
) -> int:
    """Prints the summary of a run, and how long it took to start; returns its exit code."""
    from pipelines.reporting.summary import print_summary, sentence_of, warn_of_rejected

    update = todo if args.if_exists == "update" else None
    tell_outcome(
        args,
        as_json(manifest, output=args.output, todo=update),
        sentence_of(manifest, start),
        lambda: print_summary(manifest, output=args.output, todo=update, start_seconds=start),
        _DONE,
    )
    warn_of_rejected(manifest, args.output)
    is_reported = report_result(args.output, args.report)
    rows = manifest["runs"][-1]["rows"]
    limit = args.max_rejected
    if limit and (problem := limit.problem(rows["rejected"], rows["read"])):
        print_error(problem)
        return 1
    return 0 if is_reported else 1


def _is_sample_run(manifest: Mapping[str, Any]) -> bool:
    """Returns whether an output folder holds nothing but an earlier run over the sample."""
    return [entry["source"] for entry in manifest.get("inputs", [])] == [str(SAMPLE)]


def _execute(
    plan: Plan, beam_flags: Sequence[str], progress: "RunProgress", job: "JobState"
) -> None:
    """Does the work that is not done yet, and publishes it."""
    from pipelines.dataflow.submission import RunOfJob
    from pipelines.running import run_pipeline
    from transforms.writing.lock import kept_fresh
    from transforms.writing.publish import publish
    from transforms.writing.records import UnitsToDo

    output = plan.reservation.plan
    work = UnitsToDo(output.folder, output.run_id)
    facts = _facts(plan)
    with kept_fresh(output.folder, output.lock):
        pending = work.pending()
        if not pending:  # a run that died had done it all
            publish(output, plan.schemas, facts)
            return
        limit = plan.asked.args.max_rejected
        run_pipeline(
            functools.partial(_build, plan, work, facts, progress),
            beam_flags,
            progress,
            job,
            RunOfJob(
                plan.asked.job.command,
                output.folder,
                output.run_id,
                None if limit is None else str(limit),
                math.fsum(unit.size for unit in pending),
            ),
            output.lock.token,
        )


def _build(
    plan: Plan,
    work: "UnitsToDo",
    facts: Mapping[str, Any],
    progress: "RunProgress",
    pipeline: "beam.Pipeline",
) -> None:
    """Applies the transforms of a run.

    Reading, tokenizing, inference and writing of a unit stay on one worker: no row is shuffled.

    Args:
        plan: The plan of the run.
        work: The units to do.
        facts: What the manifest says about the command.
        progress: Counts what is done.
        pipeline: The pipeline to apply the transforms to.
    """
    from models.presets.lookup import PlannedPreset
    from transforms.infer import PredictorHandler
    from transforms.quantizing.calibrate import Calibrate
    from transforms.quantizing.quantize import Quantize
    from transforms.read import ReadUnits
    from transforms.shared_preprocessor import SharedPreprocessor
    from transforms.tokenize import Tokenize
    from transforms.write import WriteUnits

    asked, corpus = plan.asked, plan.corpus
    args, job, output = asked.args, asked.job, plan.reservation.plan
    pair_column = corpus.output_text_pair_column
    text_columns = [corpus.output_text_column, *([pair_column] if pair_column else [])]

    preprocessor = SharedPreprocessor(
        PlannedPreset.of(asked.preset, asked.staged), asked.sequence_length, backends.name()
    )
    handler = PredictorHandler(
        preprocessor,
        job.command,
        progress,
        batch_tokens=args.batch_tokens,
        precision=args.precision,
        long_text=args.long_text,
        **job.arguments,
    )
    tokenize = Tokenize(
        preprocessor,
        corpus.output_text_column,
        pair_column,
        long_text=args.long_text,
        embedding=job.embedding,
    )
    calibrate = None
    if job.has_ranges:
        calibrate = Calibrate(corpus, work, tokenize, handler, text_columns, output)
    results = (
        pipeline
        | ReadUnits(corpus, work=work, progress=progress, before=calibrate)
        | tokenize
        | job.infer(handler, text_columns)
    )
    if job.quantized is not None:
        results |= Quantize(job.quantized, output)
    _ = results | WriteUnits(output, plan.schemas, facts)


def _of_backend() -> list[str]:
    """Returns the packages of a backend that is not always installed."""
    return ["jax"] if backends.name() == "jax" else []


def _facts(plan: Plan) -> dict[str, Any]:
    """Returns what the manifest says about the command."""
    asked = plan.asked
    return {
        "command": asked.job.command,
        "model": {
            "preset": asked.preset.name,
            "family": asked.preset.family,
            "weights": asked.preset.digest,
            **asked.job.model,
            "sequence_length": asked.sequence_length,
            "long_text": asked.args.long_text,
            "precision": asked.args.precision,
            "backend": backends.name(),
        },
        "text_column": plan.corpus.output_text_column,
        "renamed": plan.corpus.renamed,
        "filled": dict(plan.corpus.gaps),
        "versions": {
            "textbeam": __version__,
            "python": platform.python_version(),
            **{name: version_of(name) for name in (*_VERSIONED, *_of_backend())},
        },
    }
