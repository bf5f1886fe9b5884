"""Write messages.txt and cli.txt anew: `python tests/wording/rewrite.py`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    os.environ["SIVAE_REWRITE_SNAPSHOTS"] = "1"
    sys.exit(pytest.main(["-q", "-n0", str(Path(__file__).parent)]))
