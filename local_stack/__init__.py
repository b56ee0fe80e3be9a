"""`eventindex up`: PostgreSQL, a broker and the services on one machine, for one user.

Binds to loopback only, without TLS or tokens. Never holds the services' own work, and never runs
in production: there the services are started by themselves (see `docs/operations.md`).
"""
