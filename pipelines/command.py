"""What the commands that read a corpus, run a model and write results have in common."""

import functools
import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import RunError, UserError
from pipelines import __version__, options
from pipelines.console import print_error, report
from pipelines.shown import counted, visible

if TYPE_CHECKING:
    import argparse

    import apache_beam as beam
    import pyarrow as pa

    from models.inference.predictor import Task
    from models.presets.preset import Preset
    from pipelines.running import JobState
    from transforms.files import CorpusFile
    from transforms.infer import PredictorHandler
    from transforms.progress import RunProgress
    from transforms.reading.corpus import Corpus
    from transforms.writing.output import Reservation, Todo
    from transforms.writing.records import UnitsToDo
    from transforms.writing.schemas import OutputSchemas

SAMPLE = Path(__file__).parent / "sample" / "reviews.jsonl"
DEFAULT_OUTPUT = "output/"

# Packages that shape the result.
_VERSIONED = ("apache-beam", "tensorflow", "tensorflow-text", "keras", "pyarrow")


@dataclass(frozen=True)
class Job:
    """What one command does that others do not.

    Attributes:
        command: Its name, which is that of a predictor's task.
        fields: Columns that inference adds.
        infer: Makes the transform from tokenized rows to rows with these columns, from the model
            handler and the names of the text columns.
        model: What the manifest says about the model besides what it says about every model.
        settings: What all rows of one folder must share, for the metadata of every part.
        arguments: Arguments of `Predictor.from_preset` for this task alone.
        prefix: Put before every text for tokenizing.
        label_column: The column whose values the manifest counts.
    """

    command: "Task"
    fields: "Sequence[pa.Field]"
    infer: "Callable[[PredictorHandler, Sequence[str]], beam.PTransform]"
    model: Mapping[str, Any]
    settings: Mapping[str, str]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = ""
    label_column: str | None = None


@dataclass(frozen=True)
class Asked:
    """What the flags ask for: the model, and what it is to do.

    Attributes:
        args: The flags.
        preset: The model.
        sequence_length: Tokens of a row.
        job: What the command does.
    """

    args: "argparse.Namespace"
    preset: "Preset"
    sequence_length: int
    job: Job

    @property
    def shared(self) -> dict[str, str]:
        """What all rows of one folder must share, for the metadata of every part."""
        return {
            "weights": self.preset.digest,
            "sequence_length": str(self.sequence_length),
            "long_text": self.args.long_text,
            **self.job.settings,
        }

    @property
    def settings(self) -> dict[str, Any]:
        """All that shapes the result, by the names of the flags; an update must have the same."""
        names = ("text_column", "text_pair_column", "columns", "limit", "precision")
        return {
            "command": self.job.command,
            **self.shared,
            **{name: getattr(self.args, name) for name in names},
            "adds": {field.name: str(field.type) for field in self.job.fields},
        }


@dataclass(frozen=True)
class Plan:
    """All that is known about a run before any work is done."""

    asked: Asked
    corpus: "Corpus"
    schemas: "OutputSchemas"
    reservation: "Reservation"


MakeJob = Callable[["argparse.Namespace", "Preset"], Job]
"""Makes a command's job from its flags and the preset.

Raises `UserError` for flags that do not fit the preset.
"""


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
    if not args.preset:
        raise UserError("--preset is required: the name of a preset or its folder")
    if args.input and not args.output:
        raise UserError("--output is required with --input: the folder to write to")
    if args.limit and args.if_exists == "update":
        raise UserError("--limit is for a trial, and --if_exists=update for all of the input")
    args.output = args.output or DEFAULT_OUTPUT

    # Imported here, so that --help and a mistyped flag are answered at once.
    from pipelines.running import check_reach, is_local, runner_of
    from transforms.reading.corpus import find_files
    from transforms.writing.output import reserve_output

    runner = runner_of(beam_flags)
    check_reach(runner, args.preset, args.input or [], args.output)
    asked = _ask(args, make_job)
    files = find_files(args.input or [str(SAMPLE)])
    reservation = reserve_output(
        args.output,
        if_exists=args.if_exists,
        settings=asked.settings,
        metadata=asked.shared,
        replace_if=None if args.input else _is_sample_run,
        elsewhere=not is_local(runner),
    )
    return _run(asked, files, reservation, beam_flags)


def _run(
    asked: Asked,
    files: "Sequence[CorpusFile]",
    reservation: "Reservation",
    beam_flags: Sequence[str],
) -> int:
    """Does what a reserved folder lacks, gives the folder back and prints the summary."""
    from pipelines.running import JobState
    from transforms.progress import RunProgress
    from transforms.writing.interrupts import wait_for_work
    from transforms.writing.manifest import last_run, read_manifest

    output = asked.args.output
    progress = RunProgress()
    began = time.monotonic()
    job = JobState()
    try:
        todo = reservation.compare(files)
        if not todo.files and reservation.earlier is not None:
            reservation.close(finished=True)
            _print_nothing_to_do(reservation.earlier, todo, output)
            return 0
        plan = _plan(asked, todo, reservation)
        if plan is not None:
            _execute(plan, beam_flags, progress, job)
    except BaseException as error:
        wait_for_work()
        raise _explained(error, reservation, job) from error
    manifest = read_manifest(output)
    is_done = plan is None or last_run(manifest) == reservation.plan.run_id
    reservation.close(finished=is_done)
    if manifest is None or not is_done:
        print_error(
            f"{output} holds no results of this run: its job did not start, or did not finish"
        )
        return 1
    return _report(asked, manifest, todo, progress.model_ready and progress.model_ready - began)


def _explained(error: BaseException, reservation: "Reservation", job: "JobState") -> BaseException:
    """Gives a folder back after a run that stopped; returns the error, with what is left of it."""
    if not job.has_ended:
        return _with(error, "the job may go on elsewhere, and its files stay")
    if reservation.is_published():
        reservation.close(finished=True)
        return _with(error, "the results were published before, and are whole")
    share = reservation.close(finished=False)
    if not share or not isinstance(error, (KeyboardInterrupt, RunError)):
        return error
    return _with(error, f"{share:.0%} of the work is kept: go on with --if_exists=update")


def _with(error: BaseException, more: str) -> BaseException:
    return type(error)(f"{error}; {more}" if str(error) else more)


def _print_nothing_to_do(manifest: Mapping[str, Any], todo: "Todo", output: str) -> None:
    rows, files = manifest["rows"]["written"], len(manifest["inputs"])
    said = (
        f"{visible(output)} is up to date: {counted(rows, 'row')} of {counted(files, 'input file')}"
    )
    gone = f"; {todo.num_vanished:,} of them gone, with their rows kept"
    print(said + (gone if todo.num_vanished else ""))


def _report(
    asked: Asked, manifest: Mapping[str, Any], todo: "Todo", start_seconds: float | None
) -> int:
    """Prints the summary of a run; returns its exit code."""
    from pipelines.summary import print_summary

    args = asked.args
    with report():
        print_summary(
            manifest,
            output=args.output,
            todo=todo if args.if_exists == "update" else None,
            start_seconds=start_seconds,
        )
    rows = manifest["runs"][-1]["rows"]
    if args.max_rejected and not args.max_rejected.allows(rows["rejected"], rows["read"]):
        print_error(
            f"{rows['rejected']:,} of {rows['read']:,} rows were rejected, more than "
            f"--max_rejected={args.max_rejected} allows"
        )
        return 1
    return 0


def _ask(args: "argparse.Namespace", make_job: MakeJob) -> Asked:
    """Opens the preset and checks that the flags fit it.

    Raises:
        UserError: It does not exist, or something does not fit.
    """
    from pipelines.fetching import open_named

    preset = open_named(args.preset)
    sequence_length = preset.resolve_length(args.sequence_length)
    num_texts = 2 if args.text_pair_column else 1
    options.check_sequence_length(sequence_length, preset.family, num_texts, args.long_text)
    return Asked(args, preset, sequence_length, make_job(args, preset))


def _plan(asked: Asked, todo: "Todo", reservation: "Reservation") -> Plan | None:
    """Checks all that can be checked before any work is done, and plans the work.

    Returns:
        The plan; None if an earlier run had done all, and only its publishing had to be finished.

    Raises:
        UserError: Something does not exist, or does not fit together.
    """
    import pyarrow as pa

    from transforms.reading.corpus import plan_corpus
    from transforms.reading.units import plan_units, unit_bytes_of
    from transforms.schemas import token_fields
    from transforms.writing.schemas import OutputSchemas

    args = asked.args
    added = [*token_fields(asked.preset.has_segments), *asked.job.fields]
    corpus = plan_corpus(
        todo.files,
        input_format=args.input_format,
        text_column=args.text_column,
        text_pair_column=args.text_pair_column,
        columns=args.columns,
        reserved=[field.name for field in added],
    )
    schema = reservation.fitted(pa.schema([*corpus.schema, *added]))
    unit_bytes = unit_bytes_of(corpus)
    units = plan_units(replace(corpus, files=todo.unplanned), args.limit, unit_bytes)
    if not reservation.start(schema, todo, units, unit_bytes):
        return None
    metadata = {
        "preset": asked.preset.name,
        "precision": args.precision,
        "textbeam": __version__,
        **asked.shared,
    }
    schemas = OutputSchemas(schema, metadata, asked.job.label_column)
    return Plan(asked, corpus, schemas, reservation)


def _is_sample_run(manifest: Mapping[str, Any]) -> bool:
    """Returns whether an output folder holds nothing but an earlier run over the sample."""
    return [entry["source"] for entry in manifest.get("inputs", [])] == [str(SAMPLE)]


def _execute(
    plan: Plan, beam_flags: Sequence[str], progress: "RunProgress", job: "JobState"
) -> None:
    """Does the work that is not done yet, and publishes it."""
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
        run_pipeline(
            functools.partial(_build, plan, work, facts, progress),
            beam_flags,
            math.fsum(unit.size for unit in pending),
            progress,
            job,
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
    from transforms.read import ReadCorpus
    from transforms.shared_preprocessor import SharedPreprocessor
    from transforms.tokenize import Tokenize
    from transforms.write import WriteResults

    asked, corpus = plan.asked, plan.corpus
    args, job = asked.args, asked.job
    pair_column = corpus.output_text_pair_column
    text_columns = [corpus.output_text_column, *([pair_column] if pair_column else [])]

    preprocessor = SharedPreprocessor(PlannedPreset.of(asked.preset), asked.sequence_length)
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
        prefix=job.prefix,
    )
    _ = (
        pipeline
        | ReadCorpus(corpus, work=work, progress=progress)
        | tokenize
        | job.infer(handler, text_columns)
        | WriteResults(plan.reservation.plan, plan.schemas, facts)
    )


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
        },
        "text_column": plan.corpus.output_text_column,
        "renamed": plan.corpus.renamed,
        "versions": {
            "textbeam": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _VERSIONED},
        },
    }
