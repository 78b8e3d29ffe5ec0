"""Tells Deed of one event, in structured mode, and prints the position that a read may wait for.

    python3 tell.py TYPE SUBJECT DATA
    python3 tell.py permission.granted 7807ad5e-... '{"recipient": "everyone", ...}'

DEED_KAFKA_BOOTSTRAP names the broker. Needs confluent-kafka (requirements.txt).
"""

import json
import os
import sys
import uuid
from datetime import datetime, timezone

from confluent_kafka import KafkaException, Producer

TOPICS = {"document": "documents", "permission": "permissions"}


def event(kind, subject, data):
    """A CloudEvent. Its time decides which of two facts is the later one: it is when it happened, not when it
    is sent. A service that may tell of two in one instant also sets `sequence`, or ids that ascend."""
    return {
        "specversion": "1.0",
        # The same at each retry of one's own, and another for each fact.
        "id": str(uuid.uuid4()),
        "source": "/examples/python",
        "type": kind,
        "subject": subject,
        "time": datetime.now(timezone.utc).isoformat(),
        "data": data,
    }


def tell(producer, kind, subject, data):
    """Sends the event and waits until Kafka has it; gives its position."""
    told = []

    def acknowledged(error, message):
        told.append((error, message))

    producer.produce(
        TOPICS.get(kind.split(".")[0], "principals"),
        # The key keeps what concerns one subject in one partition, so that it arrives in order.
        key=subject,
        value=json.dumps(event(kind, subject, data)),
        headers={"content-type": "application/cloudevents+json"},
        on_delivery=acknowledged,
    )
    producer.flush()
    error, message = told[0]
    if error is not None:
        raise KafkaException(error)
    return f"{message.topic()}:{message.partition()}:{message.offset()}"


def main():
    bootstrap = os.environ.get("DEED_KAFKA_BOOTSTRAP")
    if len(sys.argv) != 4 or bootstrap is None:
        sys.exit("usage: DEED_KAFKA_BOOTSTRAP=host:port tell.py TYPE SUBJECT DATA")
    kind, subject, data = sys.argv[1:]
    # Retries neither double nor reorder: each record is there once, or the send has failed.
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            # As other clients choose the partition; librdkafka alone would choose otherwise.
            "partitioner": "murmur2_random",
            "delivery.timeout.ms": 30000,
        }
    )
    print(tell(producer, kind, subject, json.loads(data)))


if __name__ == "__main__":
    main()
