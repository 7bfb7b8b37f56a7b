"""Doing what was decided. Actions hold no opinion: they make the kernel match the bans they are given."""
