"""Finds experiments in source code: pure functions of bytes, without storage and network.

docs/code.md says what a reference is, language by language.
"""
