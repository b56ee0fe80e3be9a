"""The telescopes' clocks as the settings have them."""

from __future__ import annotations

from ingest_service.decode.clocks import Clocks
from service_kit.epochs import parse_epochs
from service_kit.settings import Settings


def clocks_of(settings: Settings) -> Clocks:
    """Return the clocks of the settings."""
    return Clocks(settings.cosmic_epoch, parse_epochs(settings.cosmic_epochs))
