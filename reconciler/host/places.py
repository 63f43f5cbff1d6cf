"""A path under a root means a place in that root: links on the way are followed inside it, and never lead out."""

from os.path import normpath

from reconciler.host.looks import Looks


class _Places(Looks):
    def named(self, path: str) -> str:
        return self._where(path)

    def reached(self, path: str) -> str:
        return self._followed(path)


def named(root: str, path: str) -> str:
    """Where `path`, absolute, stands; what is there may be a link. Raises OSError where links go in a circle."""
    return _Places(root, owners=False).named(normpath(path))


def reached(root: str, path: str) -> str:
    """Where `path`, absolute, leads, its last component too. Raises OSError where links go in a circle."""
    return _Places(root, owners=False).reached(normpath(path))
