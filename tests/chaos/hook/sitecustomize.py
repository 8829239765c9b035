"""Found by a service's interpreter as it starts: puts the planted bug in force that its environment names, and otherwise does nothing."""

import os
import sys

from tests.promises import variants

if variants.VARIABLE in os.environ:
    try:
        variants.install_from_environment()
    except Exception as error:
        sys.stderr.write(f"planted bug not in force: {error}\n")
        sys.stderr.flush()
        os._exit(99)
