"""The book: types with their rules, pure, read from the first page.

Each chapter needs only the ones above it: errors, redact, quantity, window, identity, state, senses, host, drift, kind,
probe, inventory, desired, observed, order, step, plan, journal, record, decide, trial, pace, facts, condition, status,
why, render.
"""
