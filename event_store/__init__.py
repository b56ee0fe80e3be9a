"""The index: page format, merge, read, SQL and migrations.

The one package that both services share. It knows PostgreSQL and NumPy, never MQTT or gRPC.
"""
