"""The hands: every effect on a managed resource is here, behind the protocols of the book."""
