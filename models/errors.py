"""The one exception that is meant for the person in front of the program."""


class BadInput(ValueError):
    """A refusal: one sentence that says what was wrong and what to do about it.

    The command line prints it on stderr and exits with status 2; a page shows it in place. Anything else
    that is raised is a fault of the program (exit status 1).
    """
