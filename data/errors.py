"""The error of missing and broken files."""


class DataError(ValueError):
    """A dataset's files are missing, broken or not what they should be; one line that names the culprit."""
