"""Making a model fast on a kind of machine: what rounding and guidance cost and save is measured, then chosen."""
