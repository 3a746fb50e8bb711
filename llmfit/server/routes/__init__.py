"""The endpoints, and what they keep: finished pages, reservations, listeners."""
