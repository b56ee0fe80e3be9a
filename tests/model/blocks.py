"""What is drawn: blocks of events, and what crashes."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.model.checks import STARTS

blocks = st.tuples(
    st.integers(0, 3),  # run
    st.sampled_from(STARTS),
    st.sampled_from((0, 1, 600)),  # added to the start
    st.sampled_from((1, 2, 5, 40, 700)),  # events
    st.sampled_from((0, 1, 3, 8_192)),  # between two of them; 0 repeats one
    st.integers(0, 11),  # file
    st.integers(1, 3),  # files in turn
    st.sampled_from((0, 1, 6, 2**63, 2**64 - 1)),  # olt_result of the first
    st.sampled_from((0, 1, 5)),  # added to the next one's
)
batches = st.lists(blocks, min_size=1, max_size=3)
crashes = st.sampled_from(("ingest", "ingest by SIGTERM", "database"))
