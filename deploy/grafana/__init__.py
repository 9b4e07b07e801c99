"""Limner's dashboard for Grafana, and the program that writes it."""
