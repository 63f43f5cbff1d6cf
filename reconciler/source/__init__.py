"""Where commits come from. Git is a child without power; what it says is a hint until an id has been recomputed.

A later transport or a signature needs nothing but `Objects`: bytes by id, proven.
"""
