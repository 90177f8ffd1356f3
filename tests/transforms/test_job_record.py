"""What the record of a job says to whoever wants the folder of its run."""

import pytest

from transforms.errors import OutputError
from transforms.job_record import JobAnswer, JobRecord, forget_job, load_job_record, take_folder
from transforms.writing.folder import OutputFolder, open_folder
from transforms.writing.lock import Lock, has_lock, take_lock
from transforms.writing.output import reserve_output
from transforms.writing.run_plan import run_folder

RUN, NEXT = "20260101t000000-000001", "20260101t000000-000002"


@pytest.fixture(params=["local", "gcs_bucket", "s3_bucket"])
def folder(request, tmp_path) -> OutputFolder:
    if request.param == "local":
        return open_folder(str(tmp_path))
    return open_folder(f"{request.getfixturevalue(request.param)}/out")


def at_work(folder: OutputFolder) -> tuple[JobRecord, Lock]:
    """A run whose job has its lock."""
    lock = take_lock(folder, RUN, elsewhere=True)
    record = JobRecord("name", None, "p", "r", "https://example.com", lock.token).with_id("7")
    record.save(folder, RUN)
    return record, lock


def test_a_record_is_there_until_it_is_forgotten(folder):
    record, _ = at_work(folder)
    assert load_job_record(folder, RUN) == record
    forget_job(folder, RUN)
    forget_job(folder, RUN)
    assert load_job_record(folder, RUN) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"name": "x"}', b'"x"'])
def test_a_record_that_is_not_whole_is_none(tmp_path, content):
    folder = open_folder(str(tmp_path))
    folder.write_whole(f"{run_folder(RUN)}/job.json", content)
    assert load_job_record(folder, RUN) is None


def test_a_folder_with_a_job_at_work_is_not_taken(folder):
    record, lock = at_work(folder)
    asked = []

    def ask(found):
        asked.append(found)
        return JobAnswer(False, "job 7: wait")

    with pytest.raises(OutputError, match=r"is being written by job 7: wait$"):
        take_folder(folder, NEXT, ask_job=ask)
    assert asked == [record]
    assert has_lock(folder, lock)
    assert load_job_record(folder, RUN) == record


def test_a_folder_whose_job_has_ended_is_taken_however_young_its_lock(folder):
    _, lock = at_work(folder)
    taken = take_folder(folder, NEXT, ask_job=lambda _: JobAnswer(True))
    assert has_lock(folder, taken)
    assert taken.number == lock.number + 1
    assert load_job_record(folder, RUN) is None


def test_that_a_job_has_ended_gives_nobody_else_s_lock_away(folder):
    record, _ = at_work(folder)
    record.save(folder, NEXT)
    JobRecord("name", "8", "p", "r", "https://example.com", "another").save(folder, RUN)
    ended = {"another"}
    with pytest.raises(OutputError, match="being written by another run"):
        take_folder(folder, NEXT, ask_job=lambda r: JobAnswer(r.lock in ended or None))


@pytest.mark.parametrize("ask", [None, lambda _: JobAnswer(None)], ids=["nobody", "unknown"])
def test_of_a_job_that_nobody_knows_the_lock_decides(folder, ask):
    at_work(folder)
    with pytest.raises(OutputError, match="being written by another run"):
        take_folder(folder, NEXT, ask_job=ask)


def test_who_gives_a_folder_back_that_was_taken_over_removes_nothing_of_the_run_there(folder):
    reservation = reserve_output(folder.path, elsewhere=True)
    plan = reservation.plan
    # Another run goes on from what is there, under the same id.
    record = JobRecord("name", "8", "p", "r", "https://example.com", "another")
    record.save(folder, plan.run_id)
    other = take_lock(folder, plan.run_id, given_up={plan.lock.token})
    assert reservation.close(finished=False) == 0
    assert load_job_record(folder, plan.run_id) == record
    assert has_lock(folder, other)
