"""A model that is measured stays as it was where measuring is not finished."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def unharmed(files: Sequence[Path], copy: Path | None = None) -> Iterator[None]:
    """Put small files back as they were, or were not, when the block does not come to its end: also by Ctrl-C.

    A folder that is a `copy` is removed then.
    """
    before = {file: file.read_bytes() if file.is_file() else None for file in files}
    try:
        yield
    except BaseException:
        for file, content in before.items():
            if content is None:
                file.unlink(missing_ok=True)
            else:
                file.write_bytes(content)
        if copy is not None:
            shutil.rmtree(copy, ignore_errors=True)
        raise
