"""The client side of Kafka: configuration, admin, consumer, producers, offsets."""
