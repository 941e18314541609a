"""What was decided, decided again from the facts that are kept, and held against what is kept. Changes nothing."""
