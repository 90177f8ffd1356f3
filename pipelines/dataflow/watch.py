"""Watching a job until it is known to have ended, however long the service is out of reach."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pipelines.dataflow.service import Service, ServiceError, errors_in, has_ended, state_of
from pipelines.failures import cause_in_texts
from pipelines.reporting.console import Tell, progress_bar
from pipelines.reporting.messages import manner, say, shows_outcome
from pipelines.reporting.pace import Pace, duration
from transforms.progress import BYTES_READ, ROWS_DONE

_Result = TypeVar("_Result")

_POLL_SECONDS = 5.0
_LINE_SECONDS = 60.0  # between two lines about rows, without a terminal
_COUNT_SECONDS = 15.0  # between two looks at the counters

# Between two tries to reach the service, and in all: a job may outlast a night without a login.
_LONGEST_PAUSE_SECONDS = 60.0
_PATIENCE_SECONDS = 12 * 3600.0

# What made a job fail is told up to half a minute after its end.
_CAUSE_SECONDS = 40.0


@dataclass(frozen=True)
class Ended:
    """How a job ended.

    Attributes:
        state: Its last state.
        cause: What made it fail, in one line, as far as that is known.
    """

    state: str
    cause: str = ""


class LostSightError(Exception):
    """The service was not reached for so long that nobody waits any more; the job may go on."""


@dataclass
class _Counted:
    """What the job's counters said last, and when."""

    rows: int = 0
    size: float = 0.0
    at: float = 0.0


class Watch:
    """Watches one job.

    Args:
        service: Knows it.
        identity: Its id.
        total_bytes: What it has to read; 0 if that is not known.
    """

    def __init__(self, service: Service, identity: str, total_bytes: float) -> None:
        self._service = service
        self._id = identity
        self._total = total_bytes
        self._tell: Tell = lambda line, **facts: None
        self._count = _Counted()
        self._pace = Pace(total_bytes, least_seconds=0.0)
        self._told = 0.0
        self._said: set[str] = set()

    def until_end(self) -> Ended:
        """Tells states, rows and errors until the job has ended.

        An interrupt ends the watching, and not the job.

        Raises:
            LostSightError: The service could not be reached for hours.
        """

        def counted() -> tuple[float, int]:
            return self._count.size, self._count.rows

        with progress_bar(self._total, counted, every=None) as tell:

            def tell_time(line: str, **facts: Any) -> None:
                when = "" if manner().is_json else f"{datetime.now():%Y-%m-%d %H:%M:%S}  "
                tell(f"{when}{line}", **facts)

            self._tell = tell_time
            return self._until_end()

    def _until_end(self) -> Ended:
        self._told = time.monotonic()
        state = ""
        while True:
            now = self._patiently(lambda: state_of(self._service.job(self._id)))
            if now != state:
                self._tell(now)
                state = now
            if has_ended(state):
                return Ended(state, self._cause() if state == "failed" else "")
            self._tell_warnings()
            self._look_at_counters()
            time.sleep(_POLL_SECONDS)

    def _patiently(self, ask: Callable[[], _Result]) -> _Result:
        """Asks until there is an answer."""
        from google.api_core.exceptions import RetryError
        from google.api_core.retry import Retry, if_exception_type

        failed: list[ServiceError] = []

        def note(error: Exception) -> None:
            assert isinstance(error, ServiceError)
            self._service.renew()
            if not failed or str(failed[-1]) != str(error):
                self._tell(f"no answer ({error}); the job goes on, and is asked for again")
            failed.append(error)

        retry = Retry(
            predicate=if_exception_type(ServiceError),
            initial=_POLL_SECONDS,
            maximum=_LONGEST_PAUSE_SECONDS,
            timeout=_PATIENCE_SECONDS,
            on_error=note,
        )
        try:
            result = retry(ask)()
        except RetryError:
            hours = duration(_PATIENCE_SECONDS)
            raise LostSightError(f"no answer for {hours} ({failed[-1]})") from failed[-1]
        if failed:
            self._tell("answers again")
        return result

    def _cause(self) -> str:
        """Returns what made the job fail; the service may tell it only after a while."""
        deadline = time.monotonic() + _CAUSE_SECONDS
        while True:
            try:
                texts = list(errors_in(self._service.messages(self._id)))
            except ServiceError:
                texts = []
            if texts or time.monotonic() > deadline:
                return cause_in_texts(texts)
            time.sleep(min(_POLL_SECONDS, 2.0))

    def _tell_warnings(self) -> None:
        """Tells what is new of the warnings and errors."""
        with contextlib.suppress(ServiceError):  # the state alone is waited for
            for message in self._service.messages(self._id):
                said = cause_in_texts([message.message_text])
                if said not in self._said:  # the same fails on many workers, and several times
                    self._said.add(said)
                    if shows_outcome():
                        self._tell(f"Dataflow: {said}")
                    else:
                        say("WARNING", f"Dataflow: {said}")

    def _look_at_counters(self) -> None:
        now = time.monotonic()
        if now - self._count.at < _COUNT_SECONDS and self._count.at:
            return
        try:
            counters = self._service.counters(self._id)
        except ServiceError:
            return
        rows, size = int(counters.get(ROWS_DONE, 0)), counters.get(BYTES_READ, 0.0)
        self._count = _Counted(rows, size, now)
        reading = self._pace.now(size, rows)
        if rows and now - self._told >= _LINE_SECONDS:
            self._told = now
            self._tell(reading.line(), **reading.facts())
