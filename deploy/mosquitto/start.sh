#!/bin/sh
# Writes the broker's password and access files, then becomes the broker.
# The passwords come from the environment and are hashed in place: none is in the image or in an
# argument list.
set -eu
umask 077
data=${1:-/mosquitto/data}
config=${2:-/mosquitto/config}

printf 'ingest:%s\npublisher:%s\n' "$MQTT_INGEST_PASSWORD" "$MQTT_PUBLISHER_PASSWORD" \
  > "$data/passwd"
mosquitto_passwd -U "$data/passwd"
cp "$config/acl" "$data/acl"
# The broker drops root and reads both again as its own user.
[ "$(id -u)" != 0 ] || chown mosquitto:mosquitto "$data/passwd" "$data/acl"
exec mosquitto -c "$config/mosquitto.conf"
