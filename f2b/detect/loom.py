"""Where nets are made: a process of its own, since it takes seconds and a hundred megabytes, and a library in C.

Reads from standard input what `packing.asking` wrote; writes the packed net to standard output.
"""

import json
import sys

from f2b.config.settings import Reading
from f2b.detect import automaton, lane
from f2b.detect.mesh import woven
from f2b.detect.net import Watched
from f2b.detect.packing import packed
from f2b.journal.match import EVERYTHING


def main() -> None:
    """Answer, and end."""
    asked = json.load(sys.stdin)
    # Which entries are theirs, and how long, does not matter to a net.
    jails = [
        Watched(each["name"], lane.built(each), Reading(each["reading"]), 0, EVERYTHING)
        for each in asked["jails"]
    ]
    net = woven(jails, automaton.version(), small=asked["small"])
    sys.stdout.buffer.write(packed(net, asked["key"]))


if __name__ == "__main__":
    main()
