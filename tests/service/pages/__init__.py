"""The page, tested in a real browser against a service without a model."""
