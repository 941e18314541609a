"""Why an account is as it is: its story, and how it is told to a person."""
