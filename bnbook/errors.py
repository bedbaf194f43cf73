"""The one exception that means "the user can put this right"."""


class BookError(Exception):
    """Bad input or a broken environment; the message is one line and names the way out."""


class NoRecordsError(BookError):
    """There are no records yet of what is called `name`."""

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


def of_memory(error: BaseException) -> bool:
    """Say whether `error` means that the memory does not suffice, as torch has its own for it."""
    return isinstance(error, MemoryError) or any(
        words in str(error) for words in ("can't allocate memory", "out of memory")
    )


def reason(error: BaseException) -> str:
    """Say in one line what was wrong, without a period."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(said).splitlines()[0].rstrip(".")
