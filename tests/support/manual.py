"""The files that a man page shows, as somebody would type them off."""

import tomllib
from pathlib import Path

from tests.support.processes import CHECKOUT

_WRITTEN = {"\\-": "-", "\\(aq": "'", "\\(dq": '"', "\\&": "", "\\e": "\\"}


def shown(page: str) -> dict[str, str]:
    """By name: what follows `.\\" file: NAME` and `.nf`, until `.fi`."""
    found = {}
    for part in (CHECKOUT / "man" / page).read_text().split('.\\" file: ')[1:]:
        name, _, rest = part.partition("\n.nf\n")
        text = rest.partition(".fi\n")[0]
        for written, meant in _WRITTEN.items():
            text = text.replace(written, meant)
        found[name] = text
    return found


def install(folder: Path, files: dict[str, str], *modules: str) -> Path:
    """The modules as pip would leave them behind for that pyproject.toml. What is returned belongs into PYTHONPATH."""
    project = tomllib.loads(files["pyproject.toml"])["project"]
    name, version = project["name"], project["version"]
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines: list[str] = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{point} = {value}" for point, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join([*lines, ""]))
    for module in modules:
        (folder / module).write_text(files[module])
    return folder
