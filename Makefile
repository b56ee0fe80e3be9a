protos:
	.venv/bin/python -m grpc_tools.protoc -I protos --python_out=clients --pyi_out=clients \
	  --grpc_python_out=clients --mypy_grpc_out=clients protos/eventindex/v1/*.proto
.PHONY: protos
