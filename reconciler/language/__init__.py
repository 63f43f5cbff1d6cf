"""What operators write: documents, merged by layers, with the place of every value, and what they ask of a device."""

VERSION = 1
"""Of the language; part of the digest of a desired state."""
