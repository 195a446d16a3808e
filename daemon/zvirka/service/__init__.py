"""The long-running daemon: schedule, systemd notification, metrics, alerts, logs."""
