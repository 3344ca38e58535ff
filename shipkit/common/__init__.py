"""Helpers used in all rooms: SQL, durable files, locks, worker pools, wording, HTML."""
