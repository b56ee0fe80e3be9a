"""In the namespaces: builds and starts the stack, harms it, and counts what is in the index."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.containers.engine import NO_DOCKER, NoDockerError, docker, make_images, served_wheels
from tests.containers.prepare import ROOT
from tests.support.processes import wait_until

EVENTINDEX = Path(sys.executable).with_name("eventindex")
COMPOSE = ("docker", "compose", "--env-file", "deploy/.env")
RUN = 77
# Of detector 7, which sends.
COLLECTION = "cosmic.7"
# As 1 MB is for Docker.
MB = 1_000_000
IMAGE_MB_MAX = {"index_service": 300, "ingest_service": 300, "rest_gateway": 470}
# Killed one after the other; messages come meanwhile.
VICTIMS = ("ingest_service", "index_service", "rest_gateway", "mosquitto", "postgres", "prometheus",
           "alertmanager", "node_exporter", "grafana")  # fmt: skip
MESSAGES = 100
# On a machine that does much else, too.
HEALTHY_S_MAX = 600.0


class Stack:
    """The containers of docker-compose.yml, from a copy of the tree, and a client of theirs."""

    def __init__(self, work: Path) -> None:
        self.tree = work / "docker" / "tree"
        names = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "-z"], check=True, capture_output=True, text=True
        ).stdout.split("\0")
        for name in filter(None, names):
            if (ROOT / name).exists():
                target = self.tree / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)
        # The substitutes are made here: they have the tags, and digests of their own.
        for name in ("docker-compose.yml", "deploy/Dockerfile"):
            text = (self.tree / name).read_text("utf-8")
            (self.tree / name).write_text(re.sub("@sha256:[0-9a-f]{64}", "", text), "utf-8")
        text = (self.tree / "docker-compose.yml").read_text("utf-8")
        self.services = yaml.safe_load(text)["services"]
        self.environment = {**os.environ, "XDG_CONFIG_HOME": str(work / "docker")}
        self._sent = 0
        self._answer = ""
        self._detector = ""

    def run(self, *command: str, given: str | None = None, check: bool = True) -> str:
        """Run a command in the copy; its output."""
        done = subprocess.run(
            command, cwd=self.tree, env=self.environment, input=given, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def up(self) -> None:
        """`make up`, as it is documented; on a busy machine health takes longer than it waits."""
        with self.late_health():
            self.run("make", "up")

    @contextlib.contextmanager
    def late_health(self) -> Iterator[None]:
        """Forgive Compose that it did not wait long enough; one that stays unhealthy fails."""
        try:
            yield
        except RuntimeError as error:
            if "is unhealthy" not in str(error):
                raise
            wait_until(self.healthy, HEALTHY_S_MAX, "health of all")

    def forget(self) -> None:
        """Remove what an earlier run in the same directory left."""
        if (self.tree / "deploy/.env").exists():
            self.compose("down", "--volumes")

    def compose(self, *arguments: str) -> str:
        """A command of Compose."""
        return self.run(*COMPOSE, *arguments)

    def container(self, service: str) -> str:
        """The id of the container of a service."""
        return self.compose("ps", "--all", "--quiet", service).strip()

    def pid(self, service: str) -> int:
        """Its first process, 0 while there is none."""
        found = self.run("docker", "inspect", "-f", "{{.State.Pid}}", self.container(service))
        return int(found)

    def make_users(self) -> None:
        """The first token and a detector, by the documented commands."""
        make = ("eventindex", "token", "create", "--database", "", "--subject", "anna")
        token = self.compose("run", "--rm", "-T", "migrate", *make, "--scope", "admin").strip()
        self.environment["EVENTINDEX_TOKEN"] = token
        self._detector = self.run(str(EVENTINDEX), "mqtt-users", "add", "7").strip()

    def send(self, messages: int) -> None:
        """Telescope events over MQTT, as detector 7."""
        numbers = range(self._sent + 1, self._sent + messages + 1)
        lines = "".join(
            json.dumps({"DetectorId": 7, "RunNumber": RUN, "EventNumber": number,
                        "Timestamp": 622234535, "CosmicBlock": 1}) + "\n"
            for number in numbers
        )  # fmt: skip
        (self.tree / "events.jsonl").write_text(lines)
        url = f"mqtt://7:{self._detector}@127.0.0.1:1883"
        self.run(str(EVENTINDEX), "publish", "events.jsonl", "--topic", "cosmic/7/event",
                 "--url", url)  # fmt: skip
        self._sent += messages

    def all_found(self) -> bool:
        """Whether every event that was sent is found, over gRPC with the token."""
        pairs = "".join(f"{RUN} {number}\n" for number in range(1, self._sent + 1))
        answer = subprocess.run(
            [EVENTINDEX, "lookup", "-", "--format", "csv", "--collection", COLLECTION],
            env=self.environment, input=pairs, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self._answer = f"{answer.stdout[-500:]}\n{answer.stderr[-500:]}"
        return answer.returncode == 0

    def wait_for_events(self, what: str) -> None:
        """Wait until all are found; says what is there otherwise."""
        try:
            wait_until(self.all_found, HEALTHY_S_MAX, what)
        except TimeoutError:
            print(self._answer, self.compose("logs", "--tail", "20"), sep="\n", flush=True)
            raise

    def healthy(self) -> bool:
        """Whether every container runs, and those with a health check are healthy."""
        states = [json.loads(line) for line in self.compose("ps", "--format", "json").splitlines()]
        wanted = len(self.services) - 2  # `roles` and `migrate` have ended
        return len(states) >= wanted and all(
            one["State"] == "running" and one["Health"] in {"", "healthy"} for one in states
        )

    def http(self, path: str, *, token: bool = True) -> int:
        """The status of the gateway's answer."""
        request = urllib.request.Request(f"http://127.0.0.1:8080{path}")
        if token:
            request.add_header("Authorization", f"Bearer {self.environment['EVENTINDEX_TOKEN']}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


def images_are_small(stack: Stack) -> None:
    """No service's image is larger than it has to be."""
    for service, most in IMAGE_MB_MAX.items():
        tag = stack.services[service]["image"]
        size = int(stack.run("docker", "image", "inspect", "-f", "{{.Size}}", tag)) / MB
        print(f"  {tag}: {size:.0f} MB of {most}")
        assert size <= most, tag


def events_go_through(stack: Stack) -> None:
    """In over MQTT, out over gRPC with a token and over REST; without a token not at all."""
    stack.send(MESSAGES)
    stack.wait_for_events("events")
    path = f"/api/v1/events/{RUN}/1?collection={COLLECTION}"
    assert stack.http(path) == 200
    assert stack.http(path, token=False) == 401


def containers_have_few_rights(stack: Stack) -> None:
    """The services are nobody, may write to /tmp alone, and have no capability."""
    for service in IMAGE_MB_MAX:
        look = "id -u; touch /x 2>/dev/null || echo no; touch /tmp/x && grep CapBnd /proc/1/status"
        told = stack.compose("exec", "-T", service, "sh", "-c", look).split()
        assert told == ["10001", "no", "CapBnd:", "0000000000000000"], (service, told)


def nothing_is_lost_by_a_kill(stack: Stack, victim: str) -> None:
    """Messages that come while a container is away are in the index once it is back."""
    before = stack.pid(victim)
    os.kill(before, signal.SIGKILL)
    if victim != "mosquitto":
        stack.send(MESSAGES)
    wait_until(lambda: stack.pid(victim) not in {0, before}, HEALTHY_S_MAX, f"a new {victim}")
    wait_until(stack.healthy, HEALTHY_S_MAX, "health of all")
    if victim == "mosquitto":
        stack.send(MESSAGES)
    stack.wait_for_events(f"events around the kill of {victim}")


def data_outlives_down(stack: Stack) -> None:
    """`down` and `up`: the events, the token and the detector are there, nothing is left over."""
    before = stack.run("docker", "volume", "ls", "--quiet")
    stack.compose("down")
    assert stack.compose("ps", "--all", "--quiet") == ""
    assert stack.run("docker", "volume", "ls", "--quiet") == before
    stack.up()
    stack.send(MESSAGES)
    stack.wait_for_events("events of before and after")
    # Its exit code is another one where a run differs.
    stack.run(str(EVENTINDEX), "verify")


def more_instances_are_scraped(stack: Stack) -> None:
    """`up --scale` works, and Prometheus finds all of them."""
    files = ("-f", "docker-compose.yml", "-f", "deploy/scale.yml")
    scale = ("--no-deps", "--scale", "index_service=2", "index_service")
    with stack.late_health():
        stack.compose(*files, "up", "--detach", "--wait", *scale)

    def scraped() -> bool:
        url = "http://127.0.0.1:9090/api/v1/query?query=up%7Bjob%3D%22index_service%22%7D%3D%3D1"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return len(json.load(answer)["data"]["result"]) == 2

    wait_until(scraped, HEALTHY_S_MAX, "two targets")


def run(work: Path) -> None:
    """All of it, each step with its time."""
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {what}", flush=True)

    with docker(work), served_wheels(work):
        stack = Stack(work)
        stack.forget()
        make_images(work, {name: one["image"] for name, one in stack.services.items()})
        say("images of others")
        stack.up()
        say("make up: all are healthy")
        assert stack.healthy()
        images_are_small(stack)
        stack.make_users()
        events_go_through(stack)
        containers_have_few_rights(stack)
        say("a telescope event in over MQTT, out over gRPC and REST")
        for victim in VICTIMS:
            nothing_is_lost_by_a_kill(stack, victim)
            say(f"{victim}: killed, back, nothing lost")
        data_outlives_down(stack)
        say("down and up: nothing lost")
        more_instances_are_scraped(stack)
        say("two index services, both scraped")
        stack.compose("down")


def main() -> int:
    """Run, or only see whether Docker starts."""
    work = Path(sys.argv[1])
    try:
        if "--probe" in sys.argv:
            with docker(work):
                return 0
        run(work)
    except NoDockerError as error:
        print(error)
        return NO_DOCKER
    return 0


if __name__ == "__main__":
    sys.exit(main())
