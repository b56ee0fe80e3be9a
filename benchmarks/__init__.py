"""EventIndex beside plain SQL, in the same run on the same machine: `make bench`.

Figures are ratios of systems measured in turn; machines are noisy, ratios less so.
"""
