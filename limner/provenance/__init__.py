"""Where a picture comes from: signed into it by the operator's certificate (C2PA), and read from it again.

Signing and checking signatures need the extra [scale]; the package that does it is imported when it is first used.
"""

from .credentials import SignerFiles, open_signer
from .reading import Told, read_told
from .signing import Signer

__all__ = ["Signer", "SignerFiles", "Told", "open_signer", "read_told"]
