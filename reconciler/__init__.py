"""A declarative state reconciler: a device becomes, and stays, what a git repo says."""

__version__ = "0.1.0"
