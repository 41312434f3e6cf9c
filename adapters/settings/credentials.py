"""Find secrets where systemd puts them: one file each in CREDENTIALS_DIRECTORY (LoadCredential=)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

DIRECTORY = "CREDENTIALS_DIRECTORY"


def with_credentials(environ: Mapping[str, str], secrets: Iterable[str]) -> Mapping[str, str]:
    """Return the environment with NAME_FILE for each file with the name of a secret, in upper or lower case.

    `secrets`: the names of the secret settings. The file of a site's secret has SITE_<name>_ before that name. Empty
    files do not count. Values in the environment itself have priority.
    """
    directory = environ.get(DIRECTORY, "").strip()
    if not directory:
        return environ
    try:
        files = sorted(path for path in Path(directory).iterdir() if path.is_file() and path.stat().st_size)
    except OSError:
        return environ
    wanted = re.compile(rf"(?:SITE_[A-Z0-9_]+_)?(?:{'|'.join(map(re.escape, secrets))})")
    found = {path.name.upper(): str(path) for path in files if wanted.fullmatch(path.name.upper())}
    given = {f"{name}_FILE": path for name, path in found.items() if not environ.get(name, "").strip()}
    return given | {name: value for name, value in environ.items() if value.strip() or name not in given}
