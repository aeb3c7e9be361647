"""What looks at a training: callbacks, metrics, logs, early stopping."""
