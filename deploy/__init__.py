"""What an operator puts around a service: Prometheus, Grafana."""
