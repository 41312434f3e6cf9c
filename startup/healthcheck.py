"""Ask the running bot whether it is healthy: `python -m startup.healthcheck`, for a container's HEALTHCHECK.

Exit codes: 0 healthy, 1 not healthy, or no answer. The answer is printed. METRICS_LISTEN must be in the environment.
"""

import http.client
import os
import sys
from collections.abc import Mapping

SECONDS = 4.0
"""Maximum seconds to wait for the connection, and for each part of the answer."""


def ask(environ: Mapping[str, str]) -> tuple[int, str]:
    """Return the exit code and the text to print."""
    host, _, port = environ.get("METRICS_LISTEN", "").strip().rpartition(":")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104 - these words are replaced
    if not port.isdecimal():
        return 1, "METRICS_LISTEN is not set"
    connection = http.client.HTTPConnection(host, int(port), timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        return int(answer.status != 200), answer.read(2000).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return 1, f"no answer: {type(error).__name__}"
    finally:
        connection.close()


if __name__ == "__main__":
    code, text = ask(os.environ)
    print(text)  # noqa: T201 - `docker inspect` shows it
    sys.exit(code)
