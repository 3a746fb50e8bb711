"""Processes and what they share: the socket, who accepts from it, signals, shared memory, files that change."""
