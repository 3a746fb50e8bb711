"""Who goes where: models on machines, and many machines at once."""
