"""The privileged process: it pulls, proves, plans and converges. It knows the rims; nobody knows it."""
