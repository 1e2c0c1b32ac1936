"""What every stage runs on: worker threads, wake-ups, time stamps and ids."""
