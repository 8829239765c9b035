"""Leads: who responded, from where, with which need; each captured once."""
