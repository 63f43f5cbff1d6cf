"""Thin: parse, call, print. One file a group of commands."""
