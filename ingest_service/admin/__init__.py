"""AdminService: its requests, answers and tokens; dead letters sent again."""
