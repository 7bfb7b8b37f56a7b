"""``f2b`` and ``python -m f2b``: to the daemon or to the command line."""

import sys

from f2b.cli.args import parse


def main() -> int:
    args = parse(sys.argv[1:])
    if args.command == "run":
        from f2b.daemon.main import run  # noqa: PLC0415 - the commands must not pay for the daemon

        return run(args.config, takeover=args.takeover)
    from f2b.cli.commands import execute  # noqa: PLC0415 - nor the daemon for them

    return execute(args)


if __name__ == "__main__":
    sys.exit(main())
