"""`--plan`: what a run would take, before there is one."""

import argparse
from collections.abc import Sequence

from models.errors import UserError
from models.presets.lookup import find_preset
from pipelines.flags import options
from pipelines.job import MakeJob, ask
from pipelines.reporting.outcome import tell_outcome


def plan_job(args: argparse.Namespace, make_job: MakeJob, inputs: Sequence[str]) -> int:
    """Prints what a run would take; returns the exit code.

    Nothing is written or fetched, and neither TensorFlow nor a runner is started.

    Args:
        args: The flags.
        make_job: Makes the command's job.
        inputs: Files, globs and folders.

    Raises:
        UserError: Something does not exist, or does not fit together.
        RunError: The storage failed.
    """
    from pipelines.planning.plan import estimate_run
    from pipelines.planning.report import as_json, print_plan, sentence_of
    from transforms.reading.corpus import find_files, plan_corpus
    from transforms.schemas import token_fields
    from transforms.writing.schemas import check_writable

    known = find_preset(args.preset)
    if known.folder is None:
        raise UserError(
            f"--preset={args.preset} is not on this machine, and --plan fetches nothing: python -m "
            f"pipelines.presets fetch {args.preset}"
        )
    asked = ask(args, make_job)
    added = [*token_fields(asked.preset.has_segments), *asked.job.fields]
    corpus = plan_corpus(
        find_files(inputs),
        input_format=args.input_format,
        text_column=args.text_column,
        text_pair_column=args.text_pair_column,
        columns=args.columns,
        reserved=[field.name for field in added],
        dialect=options.asked_dialect(args),
    )
    check_writable({column.name: column.type for column in corpus.fields}, args.output_format)
    found = estimate_run(asked, corpus)
    tell_outcome(args, as_json(found), sentence_of(found), lambda: print_plan(found), done=None)
    return 0
