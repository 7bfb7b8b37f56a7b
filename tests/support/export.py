"""Journals made of chosen entries, at any time stamps, without root: text for systemd-journal-remote.

A `Journal` may be fed while a reader has it open: what was flushed is in the file in a millisecond.
"""

import struct
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from systemd import journal

from tests.support.processes import TOOLS, mortal, wait_until

Value = str | bytes | int


def export_entry(time: float, fields: Mapping[str, Value], boot: str, monotonic: int) -> bytes:
    """One entry in the journal export format; control characters want its binary form."""
    realtime = round(time * 1e6)
    stamps = f"__REALTIME_TIMESTAMP={realtime}\n__MONOTONIC_TIMESTAMP={monotonic}\n"
    lines = [f"{stamps}_BOOT_ID={boot}\n".encode()]
    for name, value in fields.items():
        data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
        if any(byte < 32 and byte != 9 for byte in data):
            lines.append(name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n")
        else:
            lines.append(name.encode() + b"=" + data + b"\n")
    return b"".join(lines) + b"\n"


class Journal:
    """One writer of journal files in a folder of its own.

    `with Journal(tmp_path / "journal") as feed: feed.add(now, MESSAGE="hello", _UID=0)`
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.boot = uuid.uuid4().hex
        self.common = {
            "_MACHINE_ID": uuid.uuid4().hex,
            "_HOSTNAME": "server",
            "_TRANSPORT": "syslog",
        }
        self.added = 0
        self._pending: list[bytes] = []
        output = folder / f"test-{self.boot[:8]}.journal"
        options = ["--split-mode=none", "--seal=no", "--compress=no", f"--output={output}"]
        self._remote = subprocess.Popen(
            mortal([str(TOOLS / "systemd-journal-remote"), *options, "-"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(output.exists, "systemd-journal-remote")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close(check=kind is None)

    def add(self, time: float, **fields: Value) -> None:
        """Queue an entry of that time in seconds; its monotonic stamp grows, even if `time` does not."""
        number = (self.added + 1) * 1000
        self.put(export_entry(time, {**self.common, **fields}, self.boot, number))

    def put(self, entry: bytes) -> None:
        """Queue an entry that is export text already, of our boot."""
        self.added += 1
        self._pending.append(entry)
        if len(self._pending) >= 1000:
            self.flush()

    def flush(self) -> None:
        assert self._remote.stdin
        self._remote.stdin.write(b"".join(self._pending))
        self._remote.stdin.flush()
        self._pending.clear()

    def close(self, *, check: bool = True) -> None:
        """End the writer. On a bad stamp it stops early with exit status 0: the entries are counted."""
        if check:
            self.flush()
        assert self._remote.stdin
        self._remote.stdin.close()
        status = self._remote.wait(timeout=60)
        if check and status:
            message = f"systemd-journal-remote: exit {status}"
            raise AssertionError(message)
        if check and (found := count(self.folder, self.boot)) != self.added:
            message = f"{self.added} entries were written, {found} are in {self.folder}"
            raise AssertionError(message)


def count(folder: Path, boot: str = "") -> int:
    """How many entries (of one boot) the folder's journal files hold, rotated ones included."""
    reader = journal.Reader(path=str(folder))
    if boot:
        reader.add_match(_BOOT_ID=boot)
    entries = 0
    while reader._next():
        entries += 1
    reader.close()
    return entries
