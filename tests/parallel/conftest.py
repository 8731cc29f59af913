"""Makes `pool_jobs` importable, here and (through sys.path, which spawn hands on) in the workers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
