"""A Ray of this machine's own: nobody else can reach it or read what it writes.

Nothing here imports Ray, which reads these settings as it is imported.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
from pathlib import Path

from ..errors import UserError

SETTINGS = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
"""The first lets Ray listen on the loopback address only, on every system."""
TEMPORARY = Path("/tmp")  # noqa: S108 - where Ray's own is; its sockets allow for short paths only


def seclude() -> None:
    """Let the Ray that this process will start listen to this machine, and to a token, only.

    Without effect where Ray is imported already, or where the environment says otherwise.
    """
    if "ray" in sys.modules:
        return
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if os.environ["RAY_AUTH_MODE"] == "token" and "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def private_folder() -> str | None:
    """Return where Ray's sockets and logs go, which its user alone can enter; None: Ray's choice.

    Raises:
        UserError: somebody else has made it.
    """
    if "RAY_TMPDIR" in os.environ or not hasattr(os, "getuid"):
        return None
    folder = TEMPORARY / f"swagflow-{os.getuid()}"
    folder.mkdir(mode=stat.S_IRWXU, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UserError(
            f"{folder} is not a folder of yours, and Ray's sockets go there; set RAY_TMPDIR to "
            "another folder with a short path, or give --workers 0"
        )
    folder.chmod(stat.S_IRWXU)
    return str(folder / "ray")  # which Ray opens to all
