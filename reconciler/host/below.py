"""A path that a unit names means one in the sandbox where there is such a thing, and one of the machine elsewhere.

So what is managed is taken from below the root, with what will be made beside it; interpreters and devices are not.
"""

import os
import re
from errno import ELOOP

from reconciler.core.errors import UntrustedPath
from reconciler.host.places import named, reached

_OPTION = re.compile(r"([^/=]*=)(/.*)", re.DOTALL)


class Below:
    """Paths under a root."""

    def __init__(self, root: str) -> None:
        self._root = root

    def word(self, text: str) -> str:
        """An argument: a path, or `--option=PATH`."""
        option = _OPTION.fullmatch(text)
        return f"{option[1]}{self.path(option[2])}" if option else self.path(text)

    def path(self, text: str) -> str:
        """What is no absolute path stays as it is."""
        if not text.startswith("/") or text.startswith("//"):
            return text
        place = self._place(text)
        folder = os.path.dirname(place)
        if os.path.lexists(place) or (os.path.isdir(folder) and not os.path.lexists(text)):
            return place
        return text

    def program(self, text: str) -> str:
        """What is not in the sandbox is the machine's, also where it is missing there."""
        place = self._place(text) if text.startswith("/") else text
        return place if os.path.lexists(place) else text

    def certain(self, path: str) -> str:
        """Under the root, whether or not there is anything."""
        return self._place(path)

    def _place(self, path: str) -> str:
        """An absolute link in a sandbox means a place in it, if there is one."""
        try:
            place = named(self._root, path)
            if os.path.islink(place) and os.path.lexists(led_to := reached(self._root, path)):
                return led_to
        except OSError as error:
            if error.errno != ELOOP:
                raise
            raise UntrustedPath(f"cannot find {path}: its links lead in a circle") from error
        return place
