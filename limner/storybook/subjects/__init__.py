"""The subjects of Storybook: one file for each group of drawings, one table of all of them."""

from .buildings import BUILDINGS
from .household import HOUSEHOLD
from .lights import LIGHTS
from .music import MUSIC
from .people import PEOPLE
from .pets import PETS
from .plants import PLANTS
from .robots import ROBOTS
from .subject import Drawing, Subject
from .toys import TOYS
from .trains import TRAINS
from .vehicles import VEHICLES
from .vessels import VESSELS
from .winged import WINGED

__all__ = ["SUBJECTS", "Drawing", "Subject"]

_GROUPS: tuple[tuple[Subject, ...], ...] = (
    *(TOYS, HOUSEHOLD, LIGHTS, PLANTS, BUILDINGS),
    *(PETS, WINGED, PEOPLE, ROBOTS, VEHICLES, VESSELS, TRAINS, MUSIC),
)

SUBJECTS: dict[str, Subject] = {subject.name: subject for group in _GROUPS for subject in group}
