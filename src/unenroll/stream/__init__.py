"""Kafka: lanes, their transactional producers, the group."""
