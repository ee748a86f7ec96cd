"""`python -m trispike.cli` does what `trispike` does."""

import sys

from . import main

sys.exit(main())
