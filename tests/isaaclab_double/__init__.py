"""Stands in for Isaac Sim under a real, unmodified Isaac Lab 2.3; see README.md beside this file."""
