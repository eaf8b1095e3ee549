"""`python -m swagflow` is the command `swagflow`."""

from .cli import main

main()
