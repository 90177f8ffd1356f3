"""What the commands that read a corpus, run a model and write results have in common."""

import functools
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import UserError
from pipelines import __version__, options
from pipelines.console import print_error, report

if TYPE_CHECKING:
    import argparse

    import apache_beam as beam
    import pyarrow as pa

    from models.inference.predictor import Task
    from models.presets.preset import Preset
    from transforms.infer import PredictorHandler
    from transforms.progress import RunProgress
    from transforms.reading.corpus import Corpus
    from transforms.writing.output import OutputPlan

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
class Plan:
    """All that is known about a run before any work is done."""

    args: "argparse.Namespace"
    preset: "Preset"
    sequence_length: int
    job: Job
    corpus: "Corpus"
    schema: "pa.Schema"
    output: "OutputPlan"
    metadata: Mapping[str, str]


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
    args.output = args.output or DEFAULT_OUTPUT

    # Imported here, so that --help and a mistyped flag are answered at once.
    from pipelines.running import check_reach, is_local, run_pipeline, runner_of
    from pipelines.summary import print_summary
    from transforms.progress import RunProgress
    from transforms.writing.manifest import last_run, read_manifest
    from transforms.writing.output import discard

    runner = runner_of(beam_flags)
    check_reach(runner, args.preset, args.input or [], args.output)
    plan = _plan(args, make_job)
    progress = RunProgress()
    began = time.monotonic()
    try:
        earlier = read_manifest(args.output) if plan.output.if_exists == "append" else None
        run_pipeline(
            functools.partial(_build, plan, is_local(runner), progress),
            beam_flags,
            plan.corpus.size,
            progress,
        )
    except BaseException:
        discard(plan.output)
        raise
    manifest = read_manifest(args.output)
    if manifest is None or last_run(manifest) != plan.output.run_id:
        print_error(
            f"{args.output} holds no results of this run: its job did not start, or did not finish"
        )
        return 1
    with report():
        print_summary(
            manifest,
            earlier,
            output=args.output,
            text_column=plan.corpus.output_text_column,
            renamed=plan.corpus.renamed,
            start_seconds=progress.model_ready and progress.model_ready - began,
        )
    rows = manifest["runs"][-1]["rows"]
    if args.max_rejected and not args.max_rejected.allows(rows["rejected"], rows["read"]):
        print_error(
            f"{rows['rejected']:,} of {rows['read']:,} rows were rejected, more than "
            f"--max_rejected={args.max_rejected} allows"
        )
        return 1
    return 0


def _plan(args: "argparse.Namespace", make_job: MakeJob) -> Plan:
    """Checks all that can be checked before any work is done.

    Raises:
        UserError: Something does not exist, or does not fit together.
    """
    import pyarrow as pa

    from pipelines.fetching import open_named
    from transforms.reading.corpus import plan_corpus
    from transforms.schemas import token_fields
    from transforms.writing.output import prepare_output

    preset = open_named(args.preset)
    sequence_length = preset.resolve_length(args.sequence_length)
    num_texts = 2 if args.text_pair_column else 1
    options.check_sequence_length(sequence_length, preset.family, num_texts, args.long_text)
    job = make_job(args, preset)
    added = [*token_fields(preset.has_segments), *job.fields]
    corpus = plan_corpus(
        args.input or [str(SAMPLE)],
        input_format=args.input_format,
        text_column=args.text_column,
        text_pair_column=args.text_pair_column,
        columns=args.columns,
        reserved=[field.name for field in added],
    )
    schema = pa.schema([*corpus.schema, *added])
    shared = {
        "weights": preset.digest,
        "sequence_length": str(sequence_length),
        "long_text": args.long_text,
        **job.settings,
    }
    output = prepare_output(
        args.output,
        if_exists=args.if_exists,
        schema=schema,
        metadata=shared,
        replace_if=None if args.input else _is_sample_run,
    )
    metadata = {
        "preset": preset.name,
        "precision": args.precision,
        "textbeam": __version__,
        **shared,
    }
    return Plan(args, preset, sequence_length, job, corpus, schema, output, metadata)


def _is_sample_run(manifest: Mapping[str, Any]) -> bool:
    """Returns whether an output folder holds nothing but an earlier run over the sample."""
    return [entry["source"] for entry in manifest.get("inputs", [])] == [str(SAMPLE)]


def _build(plan: Plan, runs_here: bool, progress: "RunProgress", pipeline: "beam.Pipeline") -> None:
    """Applies the transforms of a run.

    Args:
        plan: The plan of the run.
        runs_here: Whether this process does the work. Elsewhere tokenization, which takes CPUs, and
            inference, which takes accelerators, are kept apart, so that each scales by itself; here
            the runner would hold everything between them in memory.
        progress: Counts what is done.
        pipeline: The pipeline to apply the transforms to.
    """
    import apache_beam as beam

    from models.presets.lookup import PlannedPreset
    from transforms.infer import PredictorHandler
    from transforms.read import ReadCorpus
    from transforms.shared_preprocessor import SharedPreprocessor
    from transforms.tokenize import Tokenize
    from transforms.write import WriteResults

    args, corpus, job = plan.args, plan.corpus, plan.job
    pair_column = corpus.output_text_pair_column
    text_columns = [corpus.output_text_column, *([pair_column] if pair_column else [])]

    preprocessor = SharedPreprocessor(PlannedPreset.of(plan.preset), plan.sequence_length)
    read = pipeline | ReadCorpus(corpus, args.limit, progress)
    tokenized = read.rows | Tokenize(
        preprocessor,
        corpus.output_text_column,
        pair_column,
        long_text=args.long_text,
        prefix=job.prefix,
    )
    rows = tokenized.rows if runs_here else tokenized.rows | beam.Reshuffle()
    handler = PredictorHandler(
        preprocessor,
        job.command,
        progress,
        batch_tokens=args.batch_tokens,
        precision=args.precision,
        long_text=args.long_text,
        **job.arguments,
    )
    inferred = rows | job.infer(handler, text_columns)
    streams = {
        "rows": inferred.rows,
        "rejected": [read.rejected, tokenized.rejected, inferred.rejected],
        "tallies": [read.tallies, inferred.tallies],
    }
    streams | WriteResults(
        plan.output, plan.schema, plan.metadata, _facts(plan), label_column=job.label_column
    )


def _facts(plan: Plan) -> dict[str, Any]:
    """Returns what the manifest says about the command."""
    from transforms.files import fingerprint, map_files

    files = plan.corpus.files
    return {
        "command": plan.job.command,
        "model": {
            "preset": plan.preset.name,
            "family": plan.preset.family,
            "weights": plan.preset.digest,
            **plan.job.model,
            "sequence_length": plan.sequence_length,
            "long_text": plan.args.long_text,
            "precision": plan.args.precision,
        },
        "inputs": [
            {"source": file.path, "bytes": file.size, "fingerprint": digest}
            for file, digest in zip(files, map_files(files, fingerprint), strict=True)
        ],
        "versions": {
            "textbeam": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _VERSIONED},
        },
    }
