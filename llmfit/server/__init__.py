"""The HTTP server: Sanic workers over the query layer. Nothing here is imported before ``llmfit serve`` needs it."""
