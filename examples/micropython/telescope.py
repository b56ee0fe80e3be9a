"""Sends the events of a telescope over MQTT, at QoS 1. For MicroPython with umqtt.simple.

An event leaves the buffer when the broker has acknowledged it; while the network is away events
wait, up to BUFFERED_MAX. What was sent and not acknowledged is sent again, which does no harm.
Replace `read_event` and the constants of `main`.
"""

import json
import time

from umqtt.simple import MQTTClient, MQTTException

# What fits into the memory of the device; beyond it the oldest are given up and counted.
BUFFERED_MAX = 500
KEEPALIVE_S = 60
AGAIN_S = 5
# Ports count seconds from 1970 or from 2000; a Timestamp counts from 2000.
EPOCH_S = 946684800 if time.gmtime(0)[0] == 1970 else 0


class Sender:
    """A buffer and a connection."""

    def __init__(self, server, detector, port=1883, user=None, password=None):
        """`detector` names the topic: letters, digits, "-", "_" and "."."""
        self.topic = "cosmic/" + detector + "/event"
        name = "telescope-" + detector
        self.client = MQTTClient(name, server, port, user, password, keepalive=KEEPALIVE_S)
        self.connected = False
        self.waiting = []
        self.given_up = 0
        self.last_sent = time.time()

    def put(self, record):
        """Keep an event until it is sent."""
        if len(self.waiting) >= BUFFERED_MAX:
            self.waiting.pop(0)
            self.given_up += 1
        self.waiting.append(json.dumps(record))

    def send(self):
        """Send what waits, and tell whether all of it arrived; call it often."""
        try:
            if not self.connected:
                self.client.connect()
                self.connected = True
            while self.waiting:
                # Returns when the broker has acknowledged.
                self.client.publish(self.topic, self.waiting[0], qos=1)
                self.waiting.pop(0)
                self.last_sent = time.time()
            if time.time() - self.last_sent > KEEPALIVE_S // 2:
                self.client.ping()
                self.last_sent = time.time()
        except (OSError, MQTTException, IndexError, AssertionError):
            # The last two are what umqtt makes of a connection that ends within an answer.
            self.connected = False
        return self.connected


def record(run, event, trigger_bits, tdc):
    """Return an event; fields that a device does not know are left out."""
    return {
        "RunNumber": run,
        "EventNumber": event,
        "Timestamp": int(time.time()) - EPOCH_S,
        "TriggerBits": trigger_bits,
        "TDC": {channel: {"Data": data} for channel, data in tdc.items()},
    }


def read_event():
    """Wait for the hardware: trigger bits and TDC values by channel."""
    time.sleep(1)
    return 1, {"0": [57], "1": [61]}


def main():
    """Send for ever; the clock has been set (ntptime.settime()) and the network is up."""
    sender = Sender("192.168.1.10", "roof-2", user="publisher", password="…")  # noqa: S106  # yours
    # One more than the run before, kept in a file: a run's events are numbered once.
    run, event, tried = 9000001, 0, 0
    while True:
        event += 1
        trigger_bits, tdc = read_event()
        sender.put(record(run, event, trigger_bits, tdc))
        if sender.connected or time.time() - tried >= AGAIN_S:
            tried = time.time()
            sender.send()


if __name__ == "__main__":
    main()
