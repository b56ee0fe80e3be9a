"""A job as a document, with the addresses of what there is of it. Pure."""

from __future__ import annotations

from rest_gateway.answers import job_schemas
from rest_gateway.jobs.store import JobRow
from rest_gateway.parts import API_PREFIX


def job_document(job: JobRow) -> job_schemas.Job:
    """Return what its owner may know of a job."""
    address = f"{API_PREFIX}/jobs/{job.job_id}"
    links = {"self": address, "events": f"{address}/events"}
    if job.state == "done":
        links["result"] = f"{address}/result"
    shown = {name: value for name, value in job._asdict().items() if name != "owner"}
    return job_schemas.Job(**{**shown, "not_found": job.pairs_done - job.found, "links": links})
