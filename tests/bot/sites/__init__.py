"""Tests of several sites."""
