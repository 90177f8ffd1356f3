"""What to tell the user about a pipeline that failed.

A runner passes on what a worker raised as text: a RuntimeError, or an error of its own, whose
message holds the tracebacks that Python printed there, with Beam's own frames around them.
"""

import importlib
import re
from collections.abc import Sequence

from models.errors import RunError, UserError
from models.hubs.google_errors import without_request

# Characters shown of the message of an error that is not ours; the log has all of it.
_MESSAGE_CHARACTERS = 500

# What errors without a message mean.
_MEANINGS = {"MemoryError": "the process could get no more memory"}

_TRACEBACK = "Traceback (most recent call last):"
_CHAINING = re.compile(
    r"\n\n(?:The above exception was the direct cause of|During handling of the above)[^\n]*\n"
)
_EXCEPTION = re.compile(r"(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?\Z", re.DOTALL)
_STEP = re.compile(r" \[while running '.*?'\]")
_OURS: tuple[type[UserError], type[RunError]] = (UserError, RunError)
_OUR_PACKAGES = ("models", "pipelines", "transforms")
_LACKS_US = re.compile(
    rf"ModuleNotFoundError: No module named '(?:{'|'.join(_OUR_PACKAGES)})[^']*'"
)


def root_cause(error: BaseException) -> UserError | RunError:
    """Returns what made a pipeline fail, whichever runner wrapped it on the way.

    Args:
        error: What the runner raised.

    Returns:
        A `UserError` or `RunError` with the message of the one that a worker raised, or a
        `RunError` whose message is the type and message of what the failing code raised. Either is
        one line.
    """
    chain = _chain(error)
    for exception in chain:
        for kind in _OURS:
            if isinstance(exception, kind):
                return kind(_one_line(str(exception)))
    raised = [item for exception in reversed(chain) for item in _raised_by(exception)]
    if any(_LACKS_US.fullmatch(f"{name}: {_one_line(message)}") for name, message in raised):
        return UserError(
            "the workers lack this program: install it where they run, or give "
            "--setup_file=./setup.py"
        )
    for name, message in reversed(raised):
        if (ours := _our_kind(name)) is not None:
            return ours(_one_line(message))
    return RunError(_last_raised(raised))


def cause_in_texts(texts: Sequence[str]) -> str:
    """Returns in one line what made a job elsewhere fail.

    Args:
        texts: What its service says of errors, the likeliest cause last.

    Returns:
        What the worker's program raised, or what the service says; empty if it says nothing.
    """
    if not texts:
        return ""
    if _TRACEBACK in texts[-1]:
        return str(root_cause(RuntimeError(texts[-1])))
    return _shortened(_one_line(texts[-1]))


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        hidden = following.__suppress_context__
        following = following.__cause__ or (None if hidden else following.__context__)
    return chain


def _raised_by(exception: BaseException) -> list[tuple[str, str]]:
    kind = type(exception)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return _raised_in_text(str(exception)) or [(name, str(exception))]


def _raised_in_text(text: str) -> list[tuple[str, str]]:
    """Returns type and message of the exceptions in printed tracebacks, the last raised last."""
    found = []
    for traceback in text.split(_TRACEBACK)[1:]:
        raised = _CHAINING.split(traceback)[0].splitlines()
        start = next((i for i, line in enumerate(raised) if line and not line[0].isspace()), None)
        match = _EXCEPTION.match("\n".join(raised[start:]).strip()) if start is not None else None
        if match:
            found.append((match["type"], match["message"] or ""))
    return found


def _last_raised(raised: list[tuple[str, str]]) -> str:
    *before, last = raised
    # Beam names the step in a copy of an exception; one that it cannot copy becomes a RuntimeError
    # whose message is the type and message of the original.
    for name, message in before:
        line = _one_line(f"{name}: {message}" if message else name)
        if last[0] == "RuntimeError" and _one_line(last[1]) == line:
            return _describe(name, message)
    return _describe(*last)


def _our_kind(name: str) -> type[UserError | RunError] | None:
    """Returns which of our errors the class of a name is, if it is one."""
    module, _, class_name = name.rpartition(".")
    if module.partition(".")[0] not in _OUR_PACKAGES:
        return None
    try:
        found = getattr(importlib.import_module(module), class_name)
    except (ImportError, AttributeError):
        return None
    return next((k for k in _OURS if isinstance(found, type) and issubclass(found, k)), None)


def _describe(type_name: str, message: str) -> str:
    name = type_name.rpartition(".")[2]
    line = _shortened(without_request(_one_line(message)) or _MEANINGS.get(name, ""))
    return f"{name}: {line}" if line else name


def _shortened(line: str) -> str:
    return line if len(line) <= _MESSAGE_CHARACTERS else line[:_MESSAGE_CHARACTERS] + "…"


def _one_line(message: str) -> str:
    return " ".join(_STEP.sub("", message).split())
