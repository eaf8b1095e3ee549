"""What to look at where a storage has answered with an error."""

from __future__ import annotations

import re

CURES = {
    "local": "look at its permissions and at the space left",
    "s3": "the bucket must exist, and every machine's environment must hold its credentials, "
    "region and, for a service of your own, endpoint (AWS_ENDPOINT_URL)",
    "gcs": "the bucket must exist, and every machine needs credentials for it: an account of its "
    "own, or GOOGLE_APPLICATION_CREDENTIALS",
}
OTHER_CURE = "it must exist, and every machine's environment must hold its credentials"
EXPIRED = re.compile(r"expired", re.IGNORECASE)
"""In what S3 (ExpiredToken), Google's and other stores say of a session that is over."""


def cure_of(kind: str, answer: str) -> str:
    """Return what to do about an answer of a filesystem of a kind, as pyarrow names it."""
    if kind != "local" and EXPIRED.search(answer):
        return "the credentials have expired: renew them"
    return CURES.get(kind, OTHER_CURE)
