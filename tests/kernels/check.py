"""Runs the firewall tests in Debian's kernels, whole and with parts left out, and prints README's table of them.

    python -m tests.kernels.check [--kernel bookworm] [--variant "no nf_tables"]

The kernels are fetched by apt and unpacked below .cache/kernels, never installed. qemu runs them without KVM unless
KERNELS_ACCEL says otherwise: what is virtual itself often only claims to have it. No guest has a network or a disk.
"""

import argparse
import datetime
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from tests.kernels import archive, kernels
from tests.kernels.kernels import SUITES, Kernel
from tests.kernels.variants import VARIANTS, Variant
from tests.support.processes import CHECKOUT, mortal

_MEMORY = "3072"
_MINUTES = int(os.environ.get("KERNELS_MINUTES", "20"))  # for one guest
_SUMMARY = re.compile(r"^(?=.*\b(?:passed|failed|errors?)\b)[\d, a-z]+ in [\d.]+s", re.MULTILINE)


class Result(NamedTuple):
    """One row of the table."""

    kernel: Kernel
    variant: Variant
    chose: str
    tests: str
    good: bool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kernel", choices=SUITES, action="append")
    parser.add_argument("--variant", choices=[each.name for each in VARIANTS], action="append")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing stays in /tmp
    results = []
    with tempfile.TemporaryDirectory(prefix="f2b-kernels-") as folder:
        base = Path(folder, "base.cpio")
        archive.write(base)
        for suite in asked.kernel or SUITES:
            kernel = kernels.fetch(suite)
            for variant in VARIANTS:
                named = asked.variant is None or variant.name in asked.variant
                if named and variant.on(kernel.numbers):
                    results.append(run(kernel, variant, base, Path(folder)))
    print("\n".join(table(results)))
    return 0 if all(result.good for result in results) else 1


def run(kernel: Kernel, variant: Variant, base: Path, folder: Path) -> Result:
    """Boot it and wait for its end."""
    modules = folder / "modules.cpio"
    kernels.pack(kernel, variant.without, modules)
    whole = folder / "initramfs.cpio"
    with whole.open("wb") as file:
        subprocess.run(["cat", base, modules], stdout=file, check=True)
    log = CHECKOUT / ".cache/kernels" / f"{kernel.suite}-{variant.name.replace(', ', '+')}.log"
    print(f"{kernel.release}, {variant.name}: {log}", file=sys.stderr, flush=True)
    start = time.monotonic()
    with log.open("wb") as file:
        try:
            command = mortal(_qemu(kernel, variant, whole))
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                check=False,
                timeout=_MINUTES * 60,
            )
        except subprocess.TimeoutExpired:
            file.write(f"\nthe guest was killed after {_MINUTES} minutes\n".encode())
    result = judge(kernel, variant, log.read_text(errors="replace").replace("\r", ""))
    print(f"  {result.tests} ({time.monotonic() - start:.0f} s)", file=sys.stderr, flush=True)
    return result


def _qemu(kernel: Kernel, variant: Variant, initramfs: Path) -> list[str]:
    given = {
        "f2b.checkout": CHECKOUT,
        "f2b.python": sys.executable,
        "f2b.expected": variant.expected(kernel.numbers),
        "f2b.tests": ",".join(variant.tests),
    }
    told = " ".join(f"{name}={quote(str(value))}" for name, value in given.items())
    return [
        "qemu-system-x86_64", "-accel", os.environ.get("KERNELS_ACCEL", "tcg"), "-cpu", "max",
        "-smp", "2", "-m", _MEMORY, "-nodefaults", "-no-user-config", "-nic", "none",
        "-display", "none", "-serial", "stdio", "-no-reboot",
        "-kernel", str(kernel.image), "-initrd", str(initramfs),
        "-append", f"console=ttyS0 panic=-1 quiet {told}",
    ]  # fmt: skip


def judge(kernel: Kernel, variant: Variant, log: str) -> Result:
    """Read in the log what a guest said."""
    chose = re.search(r"^chosen: (.*)$", log, re.MULTILINE)
    summary = _SUMMARY.search(log)
    tests = summary[0] if summary else "the guest did not end"
    good = "guest: pytest ended with 0\n" in log
    return Result(kernel, variant, chose[1] if chose else "nothing", tests, good)


def table(results: list[Result]) -> list[str]:
    today = datetime.datetime.now(datetime.UTC).date()
    rows = [
        f"| {each.kernel.version} ({each.kernel.suite}) | {each.variant.name} | {each.chose} "
        f"| {_passed(each)} |"
        for each in results
    ]
    return [
        f"Last run: {today}.",
        "",
        "| Debian's kernel | left out | f2b chooses | tests |",
        "|---|---|---|---|",
        *rows,
    ]


def _passed(result: Result) -> str:
    """What was left out is no result; what went wrong is."""
    told = result.tests.partition(" in ")[0].split(", ")
    return ", ".join(each for each in told if not each.endswith(("deselected", "skipped")))


if __name__ == "__main__":
    sys.exit(main())
