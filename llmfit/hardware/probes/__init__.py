"""One file a vendor or part: a pure reading of what a source answers."""
