"""What the program shows of itself: metrics, health, a watchdog, traces. It knows no Kafka, no Postgres and no rule."""
