"""What a script asked to keep, copied into batches and sealed."""
