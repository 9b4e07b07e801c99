from __future__ import annotations

from pathlib import Path

import pytest

from limner.provenance import Signer, SignerFiles, open_signer

from .authority import Authority, Pair


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue()


@pytest.fixture
def signer(pair: Pair) -> Signer:
    made = open_signer(SignerFiles(pair.certificate, pair.key))
    assert made is not None
    return made
