"""torch: on a GPU, in bfloat16 and compiled; on a CPU for comparison.

- `operators.py`: ONNX's operators in torch; `graph.py`: a graph as a module, its products and its attention;
- `forms.py`: a graph for one number of rows, traced, compiled and captured; `network.py`: calls taken apart into forms.

This folder alone may import torch, when it is asked for.
"""

from .network import Torch, TorchNetwork

__all__ = ["Torch", "TorchNetwork"]
