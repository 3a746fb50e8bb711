"""The command line. ``main`` turns every error that is the user's to mend into one line and a non-zero exit."""

from __future__ import annotations

import errno
import os
import sys

FULL = (errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC))  # why output cannot be written


def main() -> None:
    """Entry point of the console script. Exit status 0, 1 (it failed), 2 (bad usage) or 130 (interrupted)."""
    import click

    from llmfit.errors import BadParam, LlmfitError

    try:
        from llmfit.cli.group import cli

        status = cli(standalone_mode=False)
        sys.stdout.flush()  # not at the exit, where nobody would hear that it failed
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "llmfit"
        sys.exit(fail(f"{' '.join(error.format_message().split())} Try '{where} --help'.", 2))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BadParam as error:
        sys.exit(fail(str(error), 2))
    except LlmfitError as error:
        sys.exit(fail(str(error), 1))
    except ImportError as error:
        if "_core" not in str(error) and "compiled core" not in str(error):
            raise
        sys.exit(fail("the compiled core is missing: install llmfit with `pip install .`", 1))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.errno not in FULL:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is still to be written
        sys.exit(fail(f"cannot write the answer: {error.strerror}", 1))
    sys.exit(status)


def fail(text: str, status: int) -> int:
    from llmfit.errors import printable

    print(printable(f"llmfit: {text}"), file=sys.stderr)
    return status
