"""PostgreSQL: connections, their errors and threads, migrations, the checks at the start."""
