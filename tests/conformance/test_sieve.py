"""The sieve against fail2ban's filters and samples: whatever a failregex matches, it has named before."""

import random
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

from f2b.config.load import load_filter
from f2b.config.settings import FilterSettings, Reading
from f2b.detect import automaton, line
from f2b.detect.budget import Guard
from f2b.detect.filter import Filter
from f2b.detect.mesh import KINDS, Watched
from f2b.detect.search import Searcher
from f2b.detect.sieve import Marks, Sieve, sieve
from f2b.journal.match import parse_text
from tests.conformance.corpus import Corpus, Sample, tree
from tests.conformance.judge import Judge, rebuilt, whole
