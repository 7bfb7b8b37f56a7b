"""``f2b`` and ``python -m f2b``: to the daemon or to the command line."""

# ruff: noqa: PLC0415 - whoever types ^C while this is loaded is to see no traceback either; and the commands must not
# pay for the daemon, nor the daemon for them.

import sys
from collections.abc import Callable


def main() -> int:
    try:
        return _main()
    except KeyboardInterrupt:
        return 130  # as a shell has it
    except Exception:  # noqa: BLE001 - what nobody expected is a bug, and has a status of its own
        import traceback  # as much work as all of argparse

        traceback.print_exc()
        from f2b.errors import Exit

        return Exit.BUG


def _main() -> int:
    from f2b.daemon import garbage

    with garbage.put_off():
        work = _command()
    return work()


def _command() -> Callable[[], int]:
    """Load what was asked for, of which nothing is garbage."""
    from f2b.cli.args import parse

    args = parse(sys.argv[1:])
    if args.command == "run":
        from f2b.lean import without_openssl

        with without_openssl():
            from f2b.daemon.main import run

        return lambda: run(args.config, takeover=args.takeover)
    from f2b.cli.commands import execute

    return lambda: execute(args)


if __name__ == "__main__":
    sys.exit(main())
