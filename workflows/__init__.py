"""The benchmark at scale: configuration, plan, store, workers, report and command line."""

import logging

__version__ = "0.2.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())  # see logs.py
