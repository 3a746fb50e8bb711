"""Every error that a user may see. Each says what was wrong and what is allowed, in one line."""


def printable(text: str) -> str:
    """The text with all that a terminal or another reader of lines might obey written as an escape."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


class LlmfitError(Exception):
    """Base of all errors that reach a user as one line; never a bug in llmfit itself.

    What a text quotes of a file or a request stays on that line, and does nothing to a terminal.
    """

    def __str__(self) -> str:
        text = super().__str__()
        return text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)


class BadParam(LlmfitError):
    """A parameter has a value that is not allowed (HTTP 400, exit status 2).

    ``str(error)`` is the whole message: the parameter, what was wrong, what is allowed.
    """


class UnknownModel(LlmfitError):
    """A model was asked for by its exact id and the catalog has none of that id (HTTP 404)."""


class CatalogError(LlmfitError):
    """The packed catalog is missing, damaged or of another version, or its text data is bad."""


class WrongType(LlmfitError):
    """A body that is not said to be JSON (HTTP 415): no form of another site's page can send one."""


class TooMuch(LlmfitError):
    """More is asked for than is answered at once (HTTP 413)."""


class BadFile(LlmfitError):
    """A model file cannot be read: it is missing, broken, of an unknown kind or not of a language model."""


class NotFound(LlmfitError):
    """Something other than a model was asked for by a name that nothing has (HTTP 404)."""


class Conflict(LlmfitError):
    """What was asked for cannot be had while others hold it (HTTP 409): there is not enough memory left."""


class Busy(LlmfitError):
    """Too many wait for the same (HTTP 503): ask again in some seconds."""


class Full(LlmfitError):
    """There is no room to note more (HTTP 507)."""
