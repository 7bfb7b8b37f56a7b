"""``f2b`` and ``python -m f2b``: to the daemon or to the command line."""

# ruff: noqa: PLC0415 - whoever types ^C while this is loaded is to see no traceback either; and the commands must not
# pay for the daemon, nor the daemon for them.

import sys


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
    from f2b.daemon.garbage import put_off  # of what is loaded nothing is garbage

    with put_off():
        from f2b.cli.args import parse

        args = parse(sys.argv[1:])
    if args.command == "run":
        with put_off():
            from f2b.lean import without_openssl

            with without_openssl():
                from f2b.daemon.main import run

        return run(args.config, takeover=args.takeover)
    with put_off():
        from f2b.cli.commands import execute

    return execute(args)


if __name__ == "__main__":
    sys.exit(main())
