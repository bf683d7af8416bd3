"""How the data programs refuse input: one error type, one way to end.

Every program here reads files that somebody else made. What is wrong with them
is said as `error: FILE:LINE: what`, on stderr, with exit code 1.
"""

import sys


class InputError(Exception):
    """Input that cannot be used. `path` and `line` say where, if known."""

    def __init__(self, message, path=None, line=None):
        where = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(where + message)


def run(main, arguments=None):
    """Exit code of `main(arguments)`: 0, or 1 with the reason on stderr."""
    try:
        main(arguments)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
