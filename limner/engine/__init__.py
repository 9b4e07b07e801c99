"""The engine, free of torch: backends run networks, samplers lead them, the step scheduler joins requests.

`studio.LocalStudio` puts the parts together and is what callers use; docs/engine.md explains them.
"""
