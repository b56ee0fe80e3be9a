"""`/docs`: the OpenAPI document for people, with Swagger UI from this machine."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>EventIndex REST API</title>
<link rel="icon" href="/static/swagger-ui/favicon-32x32.png">
<link rel="stylesheet" href="/static/swagger-ui/swagger-ui.css">
</head>
<body>
<p><a href="/">← EventIndex</a></p>
<div id="docs"><p>The API is described in <a href="/api/v1/openapi.json">openapi.json</a>.</p></div>
<script src="/static/swagger-ui/swagger-ui-bundle.js"></script>
<script src="/static/docs.js"></script>
</body>
</html>
"""


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Return the page; everything else on it is a file."""
    return HTMLResponse(_PAGE, headers={"Cache-Control": "no-cache"})
