"""What can go wrong, in one place.

UserError   what the user gave cannot work; one message, exit code 2, no traceback
ImageError  one image cannot be used; it becomes a row with the error in it
"""


class UserError(Exception):
    """The message says what was got, what was wanted and how to mend it."""


class ImageError(Exception):
    """The message says what is wrong with the image."""
