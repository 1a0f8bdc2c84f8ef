"""What commands say."""


def refused(capsys, main, *arguments) -> str:
    """The line on standard error of a command that must exit with 2."""
    assert main(list(arguments)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1, error
    return error
