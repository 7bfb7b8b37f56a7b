"""Imports without OpenSSL: 4 of the daemon's 30 MB, for an encryption that it does not do.

asyncio wants ssl for streams with TLS, and hashlib takes OpenSSL's digests where it can; both are made to do without,
as in a Python that was built so. Whoever does encrypt (a webhook) imports ssl afterwards as ever.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

_OWN_DIGESTS = (
    "_sha256",
    "_sha2",
)  # as the Python's own are called, of 3.11 and later; some distributions remove them


@contextmanager
def without_openssl() -> Iterator[None]:
    """What is imported in here, and can, does without it."""
    unwanted = ["ssl", *(["_hashlib"] if any(map(find_spec, _OWN_DIGESTS)) else [])]
    hidden = [name for name in unwanted if name not in sys.modules]
    # None stands for a module that cannot be imported.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
