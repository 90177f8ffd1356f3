"""Says how jobs on Google Cloud Dataflow are going, and what they have done.

    python -m pipelines.jobs --project=p --region=us-central1
    python -m pipelines.jobs ID --project=p --region=us-central1 [--wait | --cancel]

Without an ID it lists the jobs that classify and embed have submitted, the newest first. Of a job
that is done it prints the summary that its run would have printed.
"""

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.errors import MistakesError, RunError, UserError
from pipelines.flags import options
from pipelines.flags.beam_flags import HelpBeam, beam_options
from pipelines.flags.message_flags import add_message_flags
from pipelines.reporting.console import (
    findings,
    print_error,
    report,
    report_console,
    run_command,
    run_process,
    tell,
)
from pipelines.reporting.messages import say, say_outcome, shows_outcome
from pipelines.reporting.shown import counted, visible

if TYPE_CHECKING:
    import argparse

    from google.cloud.dataflow import Job

    from pipelines.dataflow.service import Service, ServiceError
    from pipelines.dataflow.submission import RunOfJob

_ID = re.compile(r"[-\w]+")
_LISTED = 20
_LOOKED_AT = 500  # jobs of a project, of which ours are a part
_AT_A_TIME = 8


def make_parser() -> options.Parser:
    """Returns the parser of the command's flags."""
    parser = options.Parser("python -m pipelines.jobs", __doc__ or "")
    parser.add_argument("id", metavar="ID", nargs="?", help="the job; default: list the jobs")
    then = parser.add_mutually_exclusive_group()
    then.add_argument(
        "--wait", action="store_true", help="watch the job to its end, as the run that began it"
    )
    then.add_argument(
        "--cancel",
        action="store_true",
        help="end the job; what it has done is kept, and --if_exists=update goes on from there",
    )
    add_message_flags(parser)
    group = parser.add_argument_group("Apache Beam")
    group.add_argument(
        "--help_beam",
        nargs=0,
        action=HelpBeam,
        help="list the options of Apache Beam, of which --project, --region and those about the "
        "login and the service count here",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0 unless the job has failed or was cancelled."""
    return run_command(_jobs, argv, "nothing was changed")


def _jobs(argv: Sequence[str]) -> int:
    args, beam_flags = make_parser().parse(argv)
    if (args.wait or args.cancel) and not args.id:
        flag = "--wait" if args.wait else "--cancel"
        raise UserError(f"{flag} needs the ID of a job; without an ID the jobs are listed")
    from apache_beam.options.pipeline_options import PipelineOptions

    from pipelines.dataflow.checks import wrong_places
    from pipelines.dataflow.service import Place, Service, ServiceError

    mistakes = wrong_places(beam_options(beam_flags))
    if args.id and not _ID.fullmatch(args.id):
        mistakes.append(f"{args.id!r} is not the id of a job; without an ID the jobs are listed")
    if mistakes:
        raise MistakesError(mistakes)
    of_pipeline = PipelineOptions(list(beam_flags))
    service = Service(Place.of(of_pipeline), of_pipeline)
    try:
        return _one(service, args) if args.id else _list(service)
    except ServiceError as error:
        raise _unanswered(service, args.id, error) from error


def _unanswered(
    service: "Service", identity: str | None, error: "ServiceError"
) -> UserError | RunError:
    place = service.place
    where = f"in {place.region} of project {place.project}"
    if error.is_not_found and identity:
        return UserError(f"there is no job {identity} {where}; without an ID the jobs are listed")
    kind = UserError if error.is_refusal or error.is_login else RunError
    return kind(f"Dataflow {where} does not answer: {error}")


def _list(service: "Service") -> int:
    """Lists our jobs; returns the exit code."""
    from rich.markup import escape
    from rich.table import Table

    from pipelines.dataflow.service import ServiceError, state_of
    from transforms.progress import ROWS_DONE
    from transforms.storage.ahead import in_order

    found = [job for job in service.jobs(most=_LOOKED_AT) if _is_ours(job)][:_LISTED]

    def rows_of(job: "Job") -> str:
        try:
            return f"{int(service.counters(job.id).get(ROWS_DONE, 0)):,}"
        except ServiceError:  # counters are kept for some weeks
            return ""

    rows = list(in_order(found, rows_of, _AT_A_TIME))
    with findings():
        if not found:
            place = service.place
            print(f"no jobs of Textbeam in {place.region} of project {place.project}")
            return 0
        table = Table.grid(padding=(0, 2))
        titles = ("job", "state", "rows", "started", "name")
        for title in titles:
            table.add_column(justify="right" if title == "rows" else "left")
        table.add_row(*(f"[bold]{title}" for title in titles))
        for job, done in zip(found, rows, strict=True):
            cells = (job.id, state_of(job), done, _started(job), job.name)
            table.add_row(*(escape(visible(cell)) for cell in cells))
        report_console().print(table)
    return 0


def _is_ours(job: "Job") -> bool:
    from pipelines.dataflow.submission import COMMAND_LABEL

    return COMMAND_LABEL in job.labels or job.name.startswith("textbeam-")


def _one(service: "Service", args: "argparse.Namespace") -> int:
    """Says how a job is going, or what it has done; returns the exit code."""
    from pipelines.dataflow.service import has_ended, state_of
    from pipelines.dataflow.submission import RunOfJob

    job = service.job(args.id, whole=True)
    run = RunOfJob.of(job)
    state = state_of(job)
    if args.cancel:
        return _cancel(service, job, state)
    if not has_ended(state) and not args.wait:
        _report_going(service, job, state, run)
        return 0
    return _end(service, job, run)


def _report_going(service: "Service", job: "Job", state: str, run: "RunOfJob | None") -> None:
    from rich.markup import escape
    from rich.table import Table

    from transforms.progress import BYTES_READ, ROWS_DONE

    counters = service.counters(job.id)
    rows = f"{int(counters.get(ROWS_DONE, 0)):,}"
    if run is not None and run.size:
        rows += f", {min(counters.get(BYTES_READ, 0) / run.size, 1):.0%} of the input"
    facts = {
        "job": f"{job.id} ({job.name})",
        "state": f"{state}, started {_started(job)}",
        "rows": rows,
        "output": run.output if run else "not known: the job is not of classify or embed",
        "console": service.place.console(job.id),
    }
    with findings():
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for name, fact in facts.items():
            table.add_row(name, escape(visible(fact)))
        report_console().print(table)


def _cancel(service: "Service", job: "Job", state: str) -> int:
    from pipelines.dataflow.service import has_ended

    if has_ended(state):
        raise UserError(f"job {job.id} has ended: it is {state}")
    if not _is_ours(job):
        raise UserError(
            f"job {job.id} ({job.name}) is not of classify or embed, and is left alone: gcloud "
            "dataflow jobs cancel ends any job"
        )
    try:
        service.cancel(job.id)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"job {job.id} may go on, or end") from None
    done = f"job {job.id} is to end"
    with report(done):
        say_outcome(f"{done}; {service.place.watching(job.id)} --wait says when it has")
    return 0


def _end(service: "Service", job: "Job", run: "RunOfJob | None") -> int:
    """Waits for a job's end and says what it has done; returns the exit code."""
    from pipelines.dataflow.run import problem_of
    from pipelines.dataflow.watch import LostSightError, Watch

    try:
        ended = Watch(service, job.id, run.size if run else 0).until_end()
    except LostSightError as error:
        raise RunError(f"{error}; job {job.id} may go on") from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"job {job.id} goes on") from None
    problem = problem_of(job.id, ended)
    if run is None:
        if problem:
            raise RunError(problem)
        tell(f"job {job.id} does not say what it has written: it is not of classify or embed")
        return 0
    if problem:
        raise RunError(f"{problem}; {_kept(run)}")
    return _report_done(job, run)


def _kept(run: "RunOfJob") -> str:
    """Returns what is kept of the work of a job that is not done."""
    from transforms.writing.folder import open_folder, storage_errors
    from transforms.writing.recovery import share_done
    from transforms.writing.run_plan import load_run_plan

    folder = open_folder(run.output)
    with storage_errors(f"read {run.output}"):
        share = share_done(folder, load_run_plan(folder, run.run_id))
    if not share:
        return f"nothing was added to {run.output}"
    return f"{share:.0%} of the work is kept in {run.output}: go on with --if_exists=update"


def _report_done(job: "Job", run: "RunOfJob") -> int:
    """Prints the summary of a run that is done; returns the exit code."""
    from pipelines.flags.flag_types import Limit
    from pipelines.reporting.json_summary import as_json
    from pipelines.reporting.summary import print_summary, sentence_of, warn_of_rejected
    from transforms.writing.manifest import last_run, read_manifest

    manifest = read_manifest(run.output) or {}
    runs = [each for each in manifest.get("runs", []) if each.get("run_id") == run.run_id]
    if not runs:
        print_error(
            f"job {job.id} is done, and {run.output} does not hold its results: they were replaced "
            "or removed"
        )
        return 1
    rows = runs[0]["rows"]
    with report(f"job {job.id} is done"):
        if last_run(manifest) != run.run_id:
            done = f"{counted(rows['written'], 'row')} in {run.output}"
            say_outcome(f"job {job.id} is done: {done}; another run was there since")
        elif shows_outcome():
            print_summary(manifest, output=run.output)
        else:
            summary = json.loads(as_json(manifest, output=run.output))
            say("INFO", sentence_of(manifest), summary=summary)
            warn_of_rejected(manifest, run.output)
    if run.max_rejected:
        limit = Limit.parse(run.max_rejected)
        if problem := limit.problem(rows["rejected"], rows["read"]):
            print_error(problem)
            return 1
    return 0


def _started(job: "Job") -> str:
    when = job.start_time or job.create_time
    return f"{when.astimezone():%Y-%m-%d %H:%M}" if when else ""


if __name__ == "__main__":
    run_process(main)
