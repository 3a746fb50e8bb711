"""The page for people and its files, the documents, the names of hardware."""
