"""Import requests without the packages that guess the charset of a text.

These packages take 3 MB of memory, and Proxmox' answers are UTF-8. requests works without them, but warns. Whoever
imports the packages later finds them as usual.
"""

import sys
import warnings

_HIDDEN = [name for name in ("charset_normalizer", "chardet") if name not in sys.modules]

for _name in _HIDDEN:
    sys.modules[_name] = None  # type: ignore[assignment]  # Python's own way to make an import fail
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import requests  # noqa: F401 - imported here for its effect
finally:
    for _name in _HIDDEN:
        del sys.modules[_name]
