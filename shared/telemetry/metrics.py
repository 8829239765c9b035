"""Metrics, all named `baton_…`; no key and no person in a label."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

HTTP_SECONDS = Histogram("baton_http_request_seconds", "Time of a request", ["method", "route", "status"])

OUTBOX_OLDEST = Gauge("baton_outbox_oldest_unpublished_seconds", "Age of the oldest event that is not published yet")
RELAY_LEADER = Gauge("baton_relay_is_leader", "1 if this process publishes the outbox")
RELAY_BLOCKED = Gauge("baton_relay_blocked", "1 while a row cannot be sent until a person mends what the log names")
RELAY_PUBLISHED = Counter("baton_relay_published_total", "Events acknowledged by Kafka", ["topic"])
RELAY_ABANDONED = Counter("baton_relay_producer_abandoned_total", "Producers given up after an error")
RESTORE_DETECTED = Counter("baton_restore_detected_total", "Times the outbox was found to be of another cluster, and is sent again")
LOG_TRUNCATED = Counter("baton_log_truncated_total", "Times a topic was found to have lost records", ["topic"])

CONSUMER_LAG = Gauge("baton_consumer_lag_records", "Records behind the end of the log", ["topic", "part"])
CONSUMER_LAG_SECONDS = Gauge("baton_consumer_lag_seconds", "Age of the oldest record that is not applied yet")
CHUNK_SIZE = Histogram("baton_consumer_chunk_size", "Events per transaction", buckets=(1, 5, 10, 50, 100, 250, 500, 1000))
CHUNK_SECONDS = Histogram("baton_consumer_chunk_seconds", "Time of a chunk's transaction")
CAS_LOST = Counter("baton_cas_lost_total", "Chunks given up because another owner moved the position")
INBOX_DUPLICATES = Counter("baton_inbox_duplicates_total", "Events that had been applied before")
CONSUMER_HALTED = Gauge("baton_consumer_halted", "1 if a partition is not read any more", ["topic", "part", "reason"])
E2E_SECONDS = Histogram(
    "baton_e2e_latency_seconds", "From recorded to effect committed", buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300)
)

SEQUENCE_GAPS = Counter("baton_sequence_gaps_total", "Subjects of which a numbered fact never came")
HELD_KEYS = Gauge("baton_held_keys", "Keys whose events wait behind a parked one")
PARKED_EVENTS = Gauge("baton_parked_events", "Events that were parked", ["state", "error_code"])
PARKED_OLDEST = Gauge("baton_parked_oldest_seconds", "Age of the oldest parked event that is open")

PARTITIONS_AHEAD = Gauge("baton_partitions_ahead_days", "Days for which partitions exist", ["table"])
