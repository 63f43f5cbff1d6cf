"""The book: types with their rules, pure, read from the first page.

Each chapter needs only the ones above it: errors, quantity, identity, state, host, drift, kind, inventory, desired,
observed, order, plan, journal, decide, pace, status, why, render.
"""
