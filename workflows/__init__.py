"""The benchmark at scale: configuration, plan, store, workers, report and command line."""

__version__ = "0.2.0"
