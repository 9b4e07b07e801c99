"""Who may do what: keys, sessions, scopes, and what belongs to whom.

`gate.Gate` recognises who sent a request and puts a `Caller` on it; every call hands that on to what it asks for.
"""

from .caller import EVERYBODY, Caller, Calling, Scope
from .holdings import Holdings
from .keys import Key, KeyStore

__all__ = ["EVERYBODY", "Caller", "Calling", "Holdings", "Key", "KeyStore", "Scope"]
