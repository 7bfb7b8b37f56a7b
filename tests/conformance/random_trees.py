"""Configuration directories at random: layers, sections and lines that refer to each other in every way.

Left out is what we read otherwise on purpose (DELIBERATE in test_differential.py).
"""

import random
from collections.abc import Sequence

SHARED = ("x", "y", "z", "word", "_p")  # what any section may define
INIT = ("i", "j")
LINES = ("failregex", "ignoreregex")
NUMBERS = ("maxretry", "findtime", "maxlines", "bantime")
SPECS = (
    "f",
    "f[mode=m]",
    'f[x=p, y="q r"]',
    "f[i=given]",
    "g",
    "g[word=<x>]",
    "f[failregex=^pp]",
    "g[x=][y=1]",
)
DEFINED = "".join(f"{name} = {{0}}{name}\n" for name in SHARED)


class Trees:
    """A source of trees; the same seed gives the same trees."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def tree(self) -> dict[str, str]:
        """File names and what is in them."""
        files = {
            "fail2ban.conf": "[Definition]\n",
            "jail.conf": "[INCLUDES]\nbefore = inc.conf\n[DEFAULT]\naction =\nenabled = true\nbackend = systemd\n"
            f"filter = f\nmode = n\n{DEFINED.format('d')}[a]\n[b]\n",
            "filter.d/f.conf": self._filter(first=True),
            "filter.d/g.conf": self._filter(first=True),
        }
        for name in ("inc.conf", "inc.local", "jail.local", "jail.d/1.conf", "jail.d/2.local"):
            if self._chance(0.5):
                files[name] = self._jails()
        for name in ("filter.d/f.local", "filter.d/g.d/x.conf", "filter.d/g.local"):
            if self._chance(0.3):
                files[name] = self._filter(first=False)
        return files

    def _jails(self) -> str:
        text = (
            self._section("DEFAULT", (*SHARED, *LINES, *NUMBERS, "ignoreip"))
            if self._chance(0.5)
            else ""
        )
        for name in self._random.sample(["a", "b"], self._random.randint(0, 2)):
            text += self._section(name, (*SHARED, *LINES, *NUMBERS, "ignoreip", "journalmatch"))
            if self._chance(0.4):
                text += f"filter = {self._random.choice(SPECS)}\n"
        return text

    def _filter(self, *, first: bool) -> str:
        text = f"[DEFAULT]\nmode = n\n{DEFINED.format('f')}" if first else ""
        text += self._section(
            "Definition", (*SHARED, *LINES, "maxlines", "journalmatch"), tags=True
        )
        text += "mdre-n = norm <HOST>\nmdre-m = more <x>\n" if self._chance(0.4) else ""
        text += "[Init]\ni = 1\nj = <x>2\n" if first or self._chance(0.5) else ""
        return text + (self._section("sub", SHARED, tags=True) if self._chance(0.4) else "")

    def _section(self, name: str, options: Sequence[str], *, tags: bool = False) -> str:
        chosen = self._random.sample(options, self._random.randint(0, min(5, len(options))))
        return f"[{name}]\n" + "".join(
            f"{option}{self._random.choice([' = ', '=', ': '])}{self._value(option, tags=tags)}\n"
            for option in chosen
        )

    def _value(self, option: str, *, tags: bool) -> str:
        match option:
            case "maxretry" | "maxlines":
                return str(self._random.randint(1, 9))
            case "findtime" | "bantime":
                return self._random.choice(["1h", "2m30s", "600", "1d 2h"])
            case "ignoreip":
                return self._random.choice(
                    ["192.0.2.1", "192.0.2.2, ::1", "\n 192.0.2.3\n  192.0.2.4"]
                )
            case "journalmatch":
                return self._random.choice(["A=1", "A=1 + B=2 ; both", "A=1\n  B=2", ""])
        return "".join(self._part(tags=tags) for _ in range(self._random.randint(1, 3)))

    def _part(self, *, tags: bool) -> str:
        name = self._random.choice(SHARED)
        place = self._random.choice(["known", "default", "default", "a", "sub"])
        kinds = ["text", "percent", "other"] + ["tag"] * 2 * tags
        match self._random.choice(kinds):
            case "percent":
                return f"%({name})s"
            case "other":
                return f"%({place}/{name})s"
            case "tag":
                return self._random.choice(
                    [
                        f"<{name}>",
                        f"<sub/{name}>",
                        "<i>",
                        "<j>",
                        "<mdre-<mode>>",
                        f"<DEFAULT/{name}>",
                        "<nosuch>",
                    ]
                )
        return self._random.choice(
            ["lit", "<HOST>", "[b]", "= e", ": c", "%(__name__)s", " ; comment", ";lit #", "\n  line2", "\n# c\n  l3",
             "\n\n  l4", "<F-USER>x</F-USER>", "\n\t[a]"]
        )  # fmt: skip

    def _chance(self, share: float) -> bool:
        return self._random.random() < share
