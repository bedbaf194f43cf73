"""The one exception that means "the user can put this right"."""


class BookError(Exception):
    """Bad input or a broken environment; the message is one line and names the way out."""
