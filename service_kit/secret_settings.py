"""Secrets among the settings: where they come from, and whether they can be read.

Says which setting is wrong, and never what is in it.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource

from event_store.database.hosts import unreadable
from eventindex.hosts import split_mqtt_url

# Where containers have theirs.
_USUAL = "/run/secrets"
_FILE_BYTES_MAX = 64 * 1024


class SecretSources(BaseSettings):
    """Settings that also come from the files of a directory, behind the environment and `.env`."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # of a fixed directory
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the strongest first."""
        directories = secret_directories(env_settings, dotenv_settings)
        secrets = SecretsSettingsSource(settings_cls, secrets_dir=list(directories))
        return init_settings, env_settings, dotenv_settings, secrets


def secret_directories(*sources: PydanticBaseSettingsSource) -> list[Path]:
    """Return the directories with a file for each secret, those that are there."""
    variables = [getattr(source, "env_vars", {}) for source in sources]
    named = [of_one.get("eventindex_secrets_dir") for of_one in variables]
    found = [next(filter(None, named), _USUAL), os.environ.get("CREDENTIALS_DIRECTORY", "")]
    return [Path(name) for name in found if name and Path(name).is_dir()]


def check_secrets_directory(path: Path | None) -> None:
    """See that a directory that was named is there.

    Raises:
        ValueError: it is not.
    """
    if path is not None and not path.is_dir():
        raise ValueError(f"EVENTINDEX_SECRETS_DIR: {path} is not a directory")


def from_file(name: str, value: SecretStr, path: Path | None) -> SecretStr:
    """Return a secret, or what its file holds where it is empty.

    Raises:
        ValueError: the file cannot be read.
    """
    if value.get_secret_value() or path is None:
        return value
    try:
        with path.open("rb") as file:
            text = file.read(_FILE_BYTES_MAX + 1).decode()
    except OSError as error:
        raise ValueError(f"EVENTINDEX_{name}_FILE: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"EVENTINDEX_{name}_FILE: {path} is not UTF-8") from None
    if not text.strip() or len(text) > _FILE_BYTES_MAX:
        raise ValueError(f"EVENTINDEX_{name}_FILE: {path} holds no URL")
    return SecretStr(text.strip())


def check_database_url(secret: SecretStr) -> None:
    """See that a URL can be read, and is read as it is meant.

    Raises:
        ValueError: it cannot.
    """
    if (problem := unreadable(secret.get_secret_value())) is not None:
        raise ValueError(f"EVENTINDEX_DATABASE_URL {problem}")


def check_mqtt_url(secret: SecretStr) -> None:
    """See that a URL of a broker can be read.

    Raises:
        ValueError: it cannot.
    """
    try:
        split_mqtt_url(secret.get_secret_value() or "mqtt://127.0.0.1")
    except ValueError as error:
        raise ValueError(f"EVENTINDEX_MQTT_URL: {error}") from None
