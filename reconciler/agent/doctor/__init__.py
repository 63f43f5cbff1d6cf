"""What keeps an installation from working is found by looking at it, one check a fault, and said with its cure."""
