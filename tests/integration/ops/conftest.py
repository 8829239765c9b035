"""Operators' commands against the kernel of a sample service."""

from tests.integration.shared.conftest import alone, plain_logs, prefix, service, template, topics

__all__ = ["alone", "plain_logs", "prefix", "service", "template", "topics"]
