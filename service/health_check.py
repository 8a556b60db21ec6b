"""Exit code 0 where the service on this machine answers /health/live, 1 where it doesn't: a container's own health check.

It asks the port of SALES_PORT and needs nothing but Python, so that asking every few seconds costs little.
"""

from __future__ import annotations

import http.client
import os
import sys

_SECONDS = 4  # under the time-out of whoever asks


def answers(port: int) -> bool:
    """Whether a service on this machine's port is alive."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not answers(int(os.environ.get("SALES_PORT") or "8000")))
