"""What a process of ours begins with that runs another module of this f2b, wherever it is installed."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {"PYTHONPATH": os.fspath(Path(__file__).parent.parent)}
)
