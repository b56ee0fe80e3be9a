"""Events in: message → decode → validate → batch → store → acknowledge.

Two doors, MQTT and gRPC, feed one pipeline. Never answers questions about the index.
"""
