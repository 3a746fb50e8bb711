"""The API described: an OpenAPI document, and a page made of it."""
