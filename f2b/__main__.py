"""``f2b`` and ``python -m f2b``: to the daemon or to the command line."""

import sys
import traceback

from f2b.cli.args import parse
from f2b.errors import Exit


def main() -> int:
    args = parse(sys.argv[1:])
    try:
        if args.command == "run":
            from f2b.lean import without_openssl  # noqa: PLC0415

            with without_openssl():
                from f2b.daemon.main import run  # noqa: PLC0415 - the commands must not pay for the daemon

            return run(args.config, takeover=args.takeover)
        from f2b.cli.commands import execute  # noqa: PLC0415 - nor the daemon for them

        return execute(args)
    except Exception:  # noqa: BLE001 - what nobody expected is a bug, and has a status of its own
        traceback.print_exc()
        return Exit.BUG


if __name__ == "__main__":
    sys.exit(main())
