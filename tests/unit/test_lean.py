"""What the daemon does not carry about with it."""

import subprocess
import sys

HEAVY = """
    ssl _ssl _hashlib email http urllib.request rich pyroute2 shutil bz2 lzma ctypes difflib multiprocessing
    f2b.actions.iptables f2b.actions.ipset f2b.actions.http
"""
IMPORTED = """
import sys
from f2b.lean import without_openssl
with without_openssl():
    import f2b.daemon.main
"""


def run(script: str) -> str:
    command = [sys.executable, "-c", IMPORTED + script]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_daemon_imports_nothing_heavy_that_it_may_never_need() -> None:
    loaded = set(run("print(*sys.modules)").split())
    assert "asyncio" in loaded
    assert not loaded & set(HEAVY.split())


def test_who_needs_openssl_later_gets_it() -> None:
    script = (
        "import ssl, hashlib, _hashlib; print(ssl.OPENSSL_VERSION, ssl.create_default_context())"
    )
    assert "SSLContext" in run(script)


def test_digests_are_the_same_without_openssl() -> None:
    assert run("import hashlib; print(hashlib.sha256(b'f2b').hexdigest()[:8])") == "c0cc21d2\n"
