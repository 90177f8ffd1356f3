"""Asking whether the job of an earlier run, whose submitter may be gone, is at work still."""

from collections.abc import Sequence

from pipelines.dataflow.service import Place, Service, ServiceError, has_ended, state_of
from transforms.job_record import AskJob, JobAnswer, JobRecord


def asks(beam_flags: Sequence[str]) -> AskJob:
    """Returns what asks for the jobs of earlier runs.

    Args:
        beam_flags: Options of Beam that the present run was given: its login counts.
    """

    def ask(record: JobRecord) -> JobAnswer:
        from apache_beam.options.pipeline_options import PipelineOptions

        place = Place(record.project, record.region, record.endpoint)
        service = Service(place, PipelineOptions(list(beam_flags)))
        who = f"job {record.id or record.name}"
        try:
            if record.id is not None:
                found = service.job(record.id)
            else:
                going = [job for job in service.jobs(record.name) if not has_ended(state_of(job))]
                if not going:
                    return JobAnswer(None)
                found = going[0]
        except ServiceError as error:
            if error.is_not_found:
                return JobAnswer(None)
            return JobAnswer(False, f"{who}, unless that has ended, which cannot be asked: {error}")
        state = state_of(found)
        if has_ended(state):
            return JobAnswer(True)
        watch = place.watching(found.id)
        return JobAnswer(
            False,
            f"job {found.id} ({state}): wait for its end ({watch} --wait), end it (--cancel), or "
            "give another folder",
        )

    return ask
