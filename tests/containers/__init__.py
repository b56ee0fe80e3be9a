"""`make test-containers`: docker-compose.yml as it is, on a Docker of its own, without a registry.

The engine is Debian's docker.io in a network namespace without a way out; base images are made of
Debian's and PyPI's packages. Only what stands behind the names of upstream images is a substitute.
"""
