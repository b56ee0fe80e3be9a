"""AdminService, registered so that clients find it. Its work is not done here yet."""

from __future__ import annotations

from typing import Any

import grpc

from eventindex.v1 import admin_pb2, admin_pb2_grpc

_SERVICE = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]


async def _not_yet(_door: AdminDoor, _request: object, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not implemented yet")


class AdminDoor(admin_pb2_grpc.AdminServiceServicer):
    """Answers UNIMPLEMENTED to every call, without the traceback that the base class logs."""


for _method in _SERVICE.methods:
    setattr(AdminDoor, _method.name, _not_yet)
