import subprocess
import sys

import pytest

from limner.errors import NotFound
from limner.families import family


def test_a_family_by_name() -> None:
    assert family("diffusion").__name__ == "Diffusion"


def test_an_unknown_family_lists_the_known() -> None:
    with pytest.raises(NotFound, match="family 'cubism' not found; known: diffusion, attngan, parti"):
        family("cubism")


def test_drawing_needs_no_torch() -> None:
    code = (
        "import sys; from limner.families import family; family('diffusion');"
        "print({'torch', 'diffusers', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
