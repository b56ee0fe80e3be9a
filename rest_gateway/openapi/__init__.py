"""The OpenAPI document and what the calls share of it."""
