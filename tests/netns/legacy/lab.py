"""The lab, with iptables-legacy at the server and the tools that look at it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from f2b.actions.iptables import Iptables
from f2b.actions.rules import EARLY
from tests.netns.conftest import TABLE, Lab

SAVES = {4: "iptables-legacy-save", 6: "ip6tables-legacy-save"}


class LegacyLab(Lab):
    """What a test asks the server about its old tables."""

    def rules(self, chain: str, family: int = 4) -> list[str]:
        """The rules of a chain, as iptables-save prints them."""
        saved = self.server.run([SAVES[family]]).splitlines()
        start = f"-A {chain} "
        return [line.removeprefix(start) for line in saved if line.startswith(start)]

    def ours(self) -> list[str]:
        """Every line of iptables-save that names something of f2b."""
        saved = [self.server.run([tool]) for tool in SAVES.values()]
        return [line for text in saved for line in text.splitlines() if "f2b" in line]

    def members(self, set_name: str) -> dict[str, str]:
        """The elements of a set and what is said of each."""
        listed = self.server.run(["ipset", "list", set_name])
        lines = listed.partition("Members:\n")[2].splitlines()
        return {line.split(" ", 1)[0]: line.partition(" ")[2] for line in lines}

    def sets(self) -> set[str]:
        return set(self.server.run(["ipset", "list", "-name"]).split())

    def restore(self, text: str, family: int = 4) -> None:
        tool = SAVES[family].replace("save", "restore")
        self.server.run([tool, "-w", "5", "--noflush"], stdin=text)

    def clean(self) -> None:
        for tool in SAVES.values():
            for table in ("raw", "mangle", "filter", "nat"):
                text = f"*{table}\nCOMMIT\n"
                self.server.run([tool.replace("save", "restore"), "-w", "5"], stdin=text)
        if Path("/sys/module/ip_set").exists():
            self.server.run(["ipset", "destroy"])

    @contextmanager
    def legacy(
        self,
        hook: str = "prerouting",
        *,
        sets: bool,
        instance: str = "1a2b3c4d",
        takeover: bool = False,
        early: Sequence[str] = EARLY,
    ) -> Iterator["Wall"]:
        with self.server.inside():
            wall = Iptables(TABLE, hook, instance, sets=sets, takeover=takeover, early=early)
        try:
            yield Wall(self, wall)
        finally:
            wall.close()


class Wall:
    """The backend, called inside the server."""

    def __init__(self, lab: Lab, backend: Iptables) -> None:
        self._lab = lab
        self._backend = backend

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]  # noqa: ANN204
        method = getattr(self._backend, name)
        if not callable(method):
            return method

        def call(*arguments: object) -> object:
            with self._lab.server.inside():
                result = method(*arguments)
                return list(result) if name == "dump" else result

        return call
