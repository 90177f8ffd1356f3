"""The job elsewhere that works on a run: who it is, for those who find the run's folder.

Its submitter may be gone. So its record lies in the run's folder from before the submission until
the job is known to have ended, and the next run asks for it before anything is touched.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from transforms.errors import OutputError
from transforms.writing.folder import OutputFolder
from transforms.writing.lock import Lock, take_lock
from transforms.writing.run_plan import run_folder


@dataclass(frozen=True)
class JobRecord:
    """A job, as its service knows it.

    Attributes:
        name: The name that it was submitted with.
        id: What the service calls it; None until it has answered.
        project: The project that pays for it.
        region: Where it runs.
        endpoint: URL of the service.
        lock: Token of the lock under which it works.
    """

    name: str
    id: str | None
    project: str
    region: str
    endpoint: str
    lock: str

    def with_id(self, identity: str) -> "JobRecord":
        """Returns the record of a job that the service has accepted."""
        return replace(self, id=identity)

    def save(self, folder: OutputFolder, run_id: str) -> None:
        """Stores the record in a run's folder."""
        folder.write_whole(_name(run_id), json.dumps(vars(self)).encode())


@dataclass(frozen=True)
class JobAnswer:
    """What is known of a job.

    Attributes:
        has_ended: Whether nobody works for it any more; None if there is no job of its name.
        said: A sentence that says what it does and what can be done, unless it has ended.
    """

    has_ended: bool | None
    said: str = ""


AskJob = Callable[[JobRecord], JobAnswer]
"""Asks the service for a job; one that does not answer may be at work."""


def load_job_record(folder: OutputFolder, run_id: str) -> JobRecord | None:
    """Returns the record of the job that works on a run, or None if there is none."""
    content = folder.read(_name(run_id))
    if content is None:
        return None
    try:
        record = JobRecord(**json.loads(content))
    except (ValueError, TypeError):
        return None
    values = vars(replace(record, id=record.id or "")).values()
    return record if all(isinstance(value, str) for value in values) else None


def forget_job(folder: OutputFolder, run_id: str) -> None:
    """Removes the record of a job that has ended, or was never begun."""
    if load_job_record(folder, run_id) is not None:
        folder.remove([_name(run_id)])


def take_folder(
    folder: OutputFolder, run_id: str, elsewhere: bool = False, ask_job: AskJob | None = None
) -> Lock:
    """Takes the lock of a folder in which no job is at work.

    Args:
        folder: The output folder.
        run_id: The run that will write to it.
        elsewhere: Whether the run may go on when this process has ended.
        ask_job: Asks for the job of an earlier run, whose submitter may be gone. The lock of one
            that has ended is passed over, whatever its age; without this one counts that was not
            kept fresh.

    Raises:
        OutputError: Another run or job writes there, or may do so.
    """
    ended = set()
    records = {other: load_job_record(folder, other) for other in folder.run_ids()}
    for record in records.values():
        if record is None or ask_job is None:
            continue
        answer = ask_job(record)
        if answer.has_ended:
            ended.add(record.lock)
        elif answer.has_ended is False:
            raise OutputError(f"--output={folder.path} is being written by {answer.said}")
    lock = take_lock(folder, run_id, elsewhere, ended)
    for other, record in records.items():
        if record is not None:
            forget_job(folder, other)
    return lock


def _name(run_id: str) -> str:
    return f"{run_folder(run_id)}/job.json"
