"""The commands: each module here runs as `python -m pipelines.NAME`."""

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

__version__ = "0.1.0"


def _find_neighbours() -> None:
    """Makes sure that the names of the packages beside this one stand for them.

    The names are common, and Python looks first where it was started: there may be a folder
    `models` with somebody's weights, or a package of somebody's own.

    Raises:
        ImportError: A program has a package of its own by one of the names.
    """
    for name in ("models", "transforms"):
        ours = Path(__file__).parents[1] / name / "__init__.py"
        spec = find_spec(name)
        found = spec.origin if spec else None
        if found and ours.samefile(found):
            continue
        if found and not _is_command():
            raise ImportError(
                f"{found} stands for Textbeam's package {name!r}, since Python looks there first: "
                "rename it, or run Textbeam in a process of its own, by its commands"
            )
        own = spec_from_file_location(name, ours, submodule_search_locations=[str(ours.parent)])
        if own is not None and own.loader is not None:
            sys.modules[name] = module = module_from_spec(own)
            own.loader.exec_module(module)


def _is_command() -> bool:
    """Returns whether this is imported to start one of the commands, and no code of others runs."""
    return sys.argv[:1] == ["-m"]


_find_neighbours()
