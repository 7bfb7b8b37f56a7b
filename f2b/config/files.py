"""Which files make up one configuration: the layers of a name, ``[INCLUDES]``, and reading a file.

One Files is one load: each file is read once, and reports its lines relative to the directory.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from f2b.config.ini import Dialect, Sections, lay_over, parse
from f2b.config.marks import Marks
from f2b.config.problems import ConfigErrors
from f2b.errors import ConfigError, Origin

_MOST_FILES = 1000


class Files:
    """A configuration directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.marks = Marks()
        self._parsed: dict[Path, Sections | None] = {}
        self._layers: dict[str, Dialect | None] = {}

    def check(self) -> None:
        """Raise ConfigErrors when there is no such directory, or no right to look into it."""
        try:
            next(self.directory.iterdir(), None)
        except OSError as error:
            problem = ConfigError(
                f"{self.directory} cannot be read: {error.strerror}",
                hint="-c names another directory",
            )
            raise ConfigErrors([problem]) from error

    def layers(self, stem: str, built_in: Sections | None = None) -> Dialect | None:
        """STEM.conf, STEM.d/*.conf, STEM.local, STEM.d/*.local; None when there is none of them.

        `built_in`, which stands in no file, lies beneath them all. Raises ConfigErrors with
        everything that is wrong in any of these files.
        """
        if built_in:
            return self._laid_over(stem, built_in)
        if stem not in self._layers:  # every jail asks for the files of its firewall
            self._layers[stem] = self._laid_over(stem, {})
        return self._layers[stem]

    def _laid_over(self, stem: str, built_in: Sections) -> Dialect | None:
        base = self.directory / stem
        listed: list[Path] = []
        for suffix in (".conf", ".local"):
            listed.append(Path(f"{base}{suffix}"))
            listed.extend(self._directory(Path(f"{base}.d"), suffix))
        merged = {name: dict(options) for name, options in built_in.items()}
        found = 0
        errors: list[ConfigError] = []
        for path in listed:
            try:
                for sections in self._with_includes(path, listed, chain=()):
                    found += 1
                    _check_number(found)
                    lay_over(merged, sections)
            except ConfigErrors as error:
                errors += error.errors
        if errors:
            raise ConfigErrors(errors)
        return Dialect(merged, self.marks) if found else None

    def local(self, stem: str) -> Sections | None:
        """STEM.local alone, as it is written. Raises ConfigErrors."""
        return self._read(Path(f"{self.directory / stem}.local"))

    def shown(self, path: Path) -> str:
        """A path as the admin would type it inside the directory."""
        try:
            return str(path.relative_to(self.directory))
        except ValueError:
            return str(path)

    def _directory(self, path: Path, suffix: str) -> list[Path]:
        try:
            names = sorted(entry.name for entry in path.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._unreadable(path, error) from error
        return [path / name for name in names if name.endswith(suffix) and name[0] != "."]

    def _with_includes(
        self, path: Path, listed: list[Path], chain: tuple[str, ...]
    ) -> Iterator[Sections]:
        """What `before` names, the file, what `after` names; a loop ends where it closes."""
        real = os.path.realpath(path)
        if real in chain:
            return
        sections = self._read(path)
        if sections is None:
            return
        includes = sections.get("INCLUDES", {})

        def included(option: str) -> Iterator[Sections]:
            for name, _ in self.marks.lines(includes.get(option, "")):
                file = path.parent / name
                local = Path(f"{file.parent / file.stem}.local")
                for part in (file, *(() if local in (file, *listed) else (local,))):
                    yield from self._with_includes(part, listed, (*chain, real))

        yield from included("before")
        yield sections
        yield from included("after")

    def _read(self, path: Path) -> Sections | None:
        if path not in self._parsed:
            text = self._text(path)
            self._parsed[path] = (
                None if text is None else parse(text, self.shown(path), self.marks)
            )
        return self._parsed[path]

    def _text(self, path: Path) -> str | None:
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unreadable(path, error) from error
        if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
            raise self._not_text(path, content, 0, "a byte order mark")
        if b"\0" in content:
            raise self._not_text(path, content, content.index(b"\0"), "a NUL byte")
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise self._not_text(path, content, error.start, "a byte that is not UTF-8") from error

    def _unreadable(self, path: Path, error: OSError) -> ConfigErrors:
        problem = ConfigError(
            f"cannot be read: {error.strerror}",
            origin=Origin(self.shown(path), 0),
            hint=f"see ls -l {path}",
        )
        return ConfigErrors([problem])

    def _not_text(self, path: Path, content: bytes, at: int, what: str) -> ConfigErrors:
        line = content.count(b"\n", 0, at) + 1
        problem = ConfigError(
            f"holds {what}",
            origin=Origin(self.shown(path), line),
            hint="save it as plain UTF-8 text",
        )
        return ConfigErrors([problem])


def _check_number(files: int) -> None:
    """Two includes in each of thirty files would be 2^30 files."""
    if files > _MOST_FILES:
        hint = "is one of them included again and again?"
        raise ConfigErrors([ConfigError(f"more than {_MOST_FILES} files", hint=hint)])
