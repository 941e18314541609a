"""What tests stand on: topics to fill and to read, workers to start and to kill, events with memorable names."""
