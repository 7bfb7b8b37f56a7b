"""Configuration directories in words."""

from collections.abc import Mapping
from pathlib import Path

from f2b.config.files import Files
from f2b.config.ini import Dialect
from f2b.config.load import Config, load
from f2b.config.marks import plain
from f2b.config.settings import JailSettings

SSHD = "[Definition]\nfailregex = ^from <HOST>$\njournalmatch = _SYSTEMD_UNIT=ssh.service\n"


def write(directory: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return directory


def layers(directory: Path, files: Mapping[str, str], stem: str = "jail") -> Dialect:
    dialect = Files(write(directory, files)).layers(stem)
    assert dialect is not None
    return dialect


def value(directory: Path, files: Mapping[str, str], section: str = "a", option: str = "x") -> str:
    """An option of the jail files, interpolated."""
    return plain(layers(directory, files).get(section, option))


def config(
    directory: Path, jail_conf: str, files: Mapping[str, str | bytes] | None = None
) -> Config:
    """What is loaded with a filter called sshd."""
    return load(
        write(directory, {"filter.d/sshd.conf": SSHD, "jail.conf": jail_conf, **(files or {})})
    )


def sshd(
    directory: Path, options: str, files: Mapping[str, str | bytes] | None = None
) -> JailSettings:
    """The jail [sshd] with these options."""
    loaded = config(directory, f"[sshd]\nenabled = true\n{options}", files)
    assert [str(problem) for problem in loaded.problems] == []
    (jail,) = loaded.jails
    return jail


def problems(
    directory: Path, options: str, files: Mapping[str, str | bytes] | None = None
) -> list[str]:
    """What is said about a jail [sshd] with these options, which begin in line 3."""
    loaded = config(directory, f"[sshd]\nenabled = true\n{options}", files)
    return [f"{problem.severity}: {problem}" for problem in loaded.problems]
