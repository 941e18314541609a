"""How far the worker is: asked of Kafka and Postgres, and told to whoever runs it."""
