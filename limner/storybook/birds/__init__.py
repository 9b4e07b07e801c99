"""Birds, near enough to name their parts: a third world, in the manner of the CUB set of photographs."""
