"""Asking whether the job of an earlier run, whose submitter may be gone, is at work still."""

import re
from collections.abc import Sequence

from pipelines.dataflow.service import Place, Service, ServiceError, has_ended, state_of
from transforms.job_record import AskJob, JobAnswer, JobRecord

# Whoever can write to a folder can name an endpoint there: Google's alone is sent a login.
_GOOGLE = re.compile(r"(?:(?:https://)?[-a-z0-9.]+\.googleapis\.com)?")


def asks(beam_flags: Sequence[str]) -> AskJob:
    """Returns what asks for the jobs of earlier runs.

    Args:
        beam_flags: Options of Beam that the present run was given: its login counts, at Google's
            service and at the endpoint that they name.
    """

    def ask(record: JobRecord) -> JobAnswer:
        from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

        place = Place(record.project, record.region, record.endpoint)
        options = PipelineOptions(list(beam_flags))
        cloud = options.view_as(GoogleCloudOptions)
        given = (cloud.dataflow_endpoint or "").strip("/ ")
        if record.endpoint != given and not _GOOGLE.fullmatch(record.endpoint):
            cloud.no_auth = True
        service = Service(place, options)
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
