"""Speed and memory, measured against diffusers on the same weights; `run` is what `make bench` starts."""
