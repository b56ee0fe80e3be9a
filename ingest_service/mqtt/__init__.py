"""The MQTT door: broker, connection, messages and their acknowledgements."""
