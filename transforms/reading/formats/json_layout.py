"""Telling JSON Lines from JSON that is laid out in another way."""

import json

_WAYS = {
    "[": "an array{over}: write its elements a line each, for example with jq -c '.[]'",
    "{": "an object{over}: write each object on one line, for example with jq -c .",
}
_OVER = " over several lines"


def other_layout(head: str, is_whole: bool) -> str | None:
    """Returns what a file is instead of JSON Lines and what to do about it, in words, or None.

    A first line that is broken does not make a file something else: its value must go on in the
    next line.

    Args:
        head: The beginning of the file, without a byte order mark.
        is_whole: Whether it is all of it.
    """
    begin = len(head) - len(head.lstrip())
    kind = head[begin : begin + 1]
    if kind not in _WAYS:
        return None
    line_end = head.find("\n", begin)
    if line_end < 0:
        line_end = len(head)
    is_only_line = is_whole and not head[line_end:].strip()
    end, fault = _end_of_value(head, begin)
    if fault is None and end <= line_end:
        holds_objects = kind == "[" and "{" in head[begin:end]
        return _WAYS[kind].format(over="") if is_only_line and holds_objects else None
    next_line = len(head) - len(head[line_end:].lstrip())
    if end > next_line:
        return _WAYS[kind].format(over=_OVER)
    return None


def _end_of_value(text: str, begin: int) -> tuple[int, str | None]:
    """Returns where a JSON value ends, or up to where it is one and what is wrong there."""
    try:
        return json.JSONDecoder().raw_decode(text, begin)[1], None
    except json.JSONDecodeError as error:
        is_cut_string = error.msg.startswith("Unterminated string")
        return len(text) if is_cut_string and "\n" not in text[
            error.pos :
        ] else error.pos, error.msg
    except (RecursionError, ValueError) as error:
        return begin, str(error)
