#!/bin/sh
# Writes the broker's password and access files, then becomes the broker.
# The passwords come from files and are hashed in place: none is in the image, in the environment or
# in an argument list.
set -eu
umask 077
data=${1:-/mosquitto/data}
config=${2:-/etc/eventindex}
secrets=${3:-/run/secrets}
certs=${4:-/mosquitto/certs}

ingest=$(cat "$secrets/mqtt_ingest_password")
publisher=$(cat "$secrets/mqtt_publisher_password")
printf 'ingest:%s\npublisher:%s\n' "$ingest" "$publisher" > "$data/passwd"
mosquitto_passwd -U "$data/passwd"
# Those that users.sh made are hashed already.
[ ! -e "$data/users" ] || cat "$data/users" >> "$data/passwd"
cp "$config/acl" "$data/acl"
# For the health check: options of mosquitto_sub.
mkdir -p "$data/health"
printf -- '-u ingest\n-P %s\n' "$ingest" > "$data/health/mosquitto_sub"
# Stations come in by TLS, once there is a certificate.
cp "$config/mosquitto.conf" "$data/mosquitto.conf"
[ ! -e "$certs/server.pem" ] || cat "$config/stations.conf" >> "$data/mosquitto.conf"
# The broker drops root and reads both again as its own user.
[ "$(id -u)" != 0 ] || chown mosquitto:mosquitto "$data/passwd" "$data/acl"
exec mosquitto -c "$data/mosquitto.conf"
